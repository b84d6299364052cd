// SPDX-License-Identifier: GPL-2.0
/*
 * What kernels lack, as far as it takes more than a few lines: nvmev_compat.h
 * says which kernel, and defines the names that are asked for here. All of it
 * runs at load and unload only.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/msi.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "nvmev_compat.h"

#ifdef NVMEV_COMPAT_E820
#include <asm/e820/api.h>

/* Linux 5.5 gave it a name */
#define NVMEV_E820_SOFT_RESERVED	0xefffffff

/**
 * nvmev_firmware_ram() - whether the firmware reports all of a range as RAM
 * @start: its first byte
 * @size: its length, not 0
 *
 * The kernel's own table does not tell: a hole and RAM alike are reserved in
 * it once memmap= has been there.
 *
 * Context: load, may sleep.
 * Return: whether it is; true where nothing can be found out.
 */
bool nvmev_firmware_ram(u64 start, u64 size)
{
	u64 addr, last;
	u32 type;

	/* Of any type but RAM, the smallest entry: they have small numbers, but one */
	for (type = E820_TYPE_RESERVED; type < 256; type++)
		if (e820__mapped_raw_any(start, start + size, type))
			return false;
	if (e820__mapped_raw_any(start, start + size, NVMEV_E820_SOFT_RESERVED))
		return false;
	/*
	 * A hole is none at all, and only whether some of a range is RAM is told:
	 * look at all ends.
	 */
	for (addr = start; addr < start + size; addr += SZ_1M) {
		last = min_t(u64, addr + SZ_1M, start + size) - 1;
		if (!e820__mapped_raw_any(addr, addr + 1, E820_TYPE_RAM) ||
		    !e820__mapped_raw_any(last, last + 1, E820_TYPE_RAM))
			return false;
	}
	return true;
}

#else

/* A file of an entry of the firmware's table, without its newline */
static bool nvmev_firmware_read(unsigned int nr, const char *name, char *text,
				size_t size)
{
	loff_t pos = 0;
	struct file *file;
	char path[48];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/firmware/memmap/%u/%s", nr, name);
	file = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(file))
		return false;
	len = kernel_read(file, text, size - 1, &pos);
	filp_close(file, NULL);
	if (len <= 0)
		return false;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

/* Where the RAM ends in which @addr lies; 0 if it lies in none */
static u64 nvmev_firmware_ram_end(u64 addr, bool *known)
{
	unsigned int nr;
	char text[32];
	u64 first, last;

	*known = false;
	for (nr = 0; nvmev_firmware_read(nr, "start", text, sizeof(text)); nr++) {
		if (kstrtoull(text, 0, &first) ||
		    !nvmev_firmware_read(nr, "end", text, sizeof(text)) ||
		    kstrtoull(text, 0, &last) ||
		    !nvmev_firmware_read(nr, "type", text, sizeof(text)))
			break;
		*known = true;
		if (addr >= first && addr <= last && !strcmp(text, "System RAM"))
			return last + 1;
	}
	return 0;
}

/* See above */
bool nvmev_firmware_ram(u64 start, u64 size)
{
	u64 addr = start;
	bool known;

	while (addr < start + size) {
		addr = nvmev_firmware_ram_end(addr, &known);
		if (!known) {
			pr_warn("no /sys/firmware/memmap: whether memmap_start is RAM cannot be checked\n");
			return true;
		}
		if (!addr)
			return false;
	}
	return true;
}
#endif /* NVMEV_COMPAT_E820 */

#ifdef NVMEV_COMPAT_CPUHP
static int (*nvmev_cpu_startup)(unsigned int cpu);
static int (*nvmev_cpu_teardown)(unsigned int cpu);

static int nvmev_cpu_notify(struct notifier_block *nb, unsigned long action,
			    void *data)
{
	unsigned int cpu = (unsigned long)data;

	switch (action & ~CPU_TASKS_FROZEN) {
	case CPU_ONLINE:
	case CPU_DOWN_FAILED:
		nvmev_cpu_startup(cpu);
		break;
	case CPU_DOWN_PREPARE:
		nvmev_cpu_teardown(cpu);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block nvmev_cpu_notifier = {
	.notifier_call = nvmev_cpu_notify,
};

int cpuhp_setup_state(enum cpuhp_state state, const char *name,
		      int (*startup)(unsigned int cpu),
		      int (*teardown)(unsigned int cpu))
{
	unsigned int cpu;
	int err;

	nvmev_cpu_startup = startup;
	nvmev_cpu_teardown = teardown;
	cpu_notifier_register_begin();
	for_each_online_cpu(cpu)
		startup(cpu);
	err = __register_cpu_notifier(&nvmev_cpu_notifier);
	cpu_notifier_register_done();
	return err;
}

void cpuhp_remove_state_nocalls(enum cpuhp_state state)
{
	unregister_cpu_notifier(&nvmev_cpu_notifier);
}

int pci_irq_vector(struct pci_dev *pdev, unsigned int nr)
{
	struct msi_desc *entry;

	if (pdev->msi_enabled)
		return pdev->irq + nr;
	for_each_pci_msi_entry(entry, pdev)
		if (entry->msi_attrib.entry_nr == nr)
			return entry->irq;
	return -EINVAL;
}
#endif /* NVMEV_COMPAT_CPUHP */

#ifdef NVMEV_COMPAT_RESOURCES
/* Into what lies there already and is not busy, as an e820 entry is */
int insert_resource(struct resource *root, struct resource *new)
{
	struct resource *probe, *parent;

	probe = __request_region(root, new->start, resource_size(new),
				 new->name, 0);
	if (!probe)
		return -EBUSY;
	parent = probe->parent;
	__release_region(root, new->start, resource_size(new));
	return request_resource(parent, new);
}

int remove_resource(struct resource *res)
{
	return release_resource(res);
}

/* For System RAM, which is what the module asks about */
int region_intersects(resource_size_t start, size_t size, unsigned long flags,
		      unsigned long desc)
{
	unsigned long pfn, first = PHYS_PFN(start);
	unsigned long last = PHYS_PFN(start + size - 1);

	for (pfn = first; pfn <= last; pfn++) {
		if (page_is_ram(pfn))
			return REGION_INTERSECTS;
		cond_resched();
	}
	return REGION_DISJOINT;
}
#endif /* NVMEV_COMPAT_RESOURCES */

#ifdef NVMEV_COMPAT_FLAT_APIC
#include <linux/msi.h>
#include <asm/apic.h>
#include <asm/msidef.h>

/*
 * With up to eight CPUs a vector is good on all of them (flat mode), and until
 * 4.15 the kernel's own way has it arrive on the first, whatever its affinity
 * is. The message has a bit for each CPU that it may go to.
 */
static bool nvmev_irq_send_flat(struct irq_data *data)
{
	struct msi_desc *desc = irq_data_get_msi_desc(data);
	unsigned int vector, cpu;
	unsigned long cpus;

	if (!desc || strcmp(apic->name, "flat"))
		return false;
	/* Remapped, by Intel or by AMD, it names an entry of a table */
	if (desc->msg.address_lo & MSI_ADDR_IR_EXT_INT ||
	    !(desc->msg.address_lo & MSI_ADDR_DEST_MODE_LOGICAL))
		return false;
	cpus = (desc->msg.address_lo & MSI_ADDR_DEST_ID_MASK) >>
	       MSI_ADDR_DEST_ID_SHIFT;
	if (!cpus)
		return false;
	vector = desc->msg.data & MSI_DATA_VECTOR_MASK;
	cpu = __ffs(cpus);
	if (vector < FIRST_EXTERNAL_VECTOR || !cpu_online(cpu))
		return false;
	apic->send_IPI_mask(cpumask_of(cpu), vector);
	return true;
}
#else
static bool nvmev_irq_send_flat(struct irq_data *data)
{
	return false;
}
#endif

/**
 * nvmev_irq_retrigger() - send an interrupt as its message would
 * @data: what the kernel knows it by
 *
 * Context: any.
 */
void nvmev_irq_retrigger(struct irq_data *data)
{
	struct irq_chip *chip = irq_data_get_irq_chip(data);

	if (!nvmev_irq_send_flat(data) && chip && chip->irq_retrigger)
		chip->irq_retrigger(data);
}

#ifdef NVMEV_COMPAT_ROOT_BUS
#ifdef NVMEV_COMPAT_ROOT_BUS_ASK
/* Whether a host bridge is a device with references from its beginning */
static bool nvmev_host_bridge_counted(void)
{
	struct pci_host_bridge *bridge = pci_alloc_host_bridge(0);
	bool counted;

	if (!bridge)
		return false;
	counted = kref_read(&bridge->dev.kobj.kref);
	pci_free_host_bridge(bridge);
	return counted;
}
#else
static bool nvmev_host_bridge_counted(void)
{
	return true;
}
#endif

/**
 * nvmev_pci_remove_root_bus() - remove a bus of pci_create_root_bus() for good
 * @bus: the bus, stopped
 *
 * Since 5.8 pci_remove_root_bus() leaves the host bridge the reference that
 * pci_create_root_bus() has made, which nobody but its caller can drop. Should
 * a later kernel drop it, ours is the only one left.
 *
 * Context: sleeps, pci_lock_rescan_remove() is held.
 */
void nvmev_pci_remove_root_bus(struct pci_bus *bus)
{
	struct device *bridge = get_device(bus->bridge);

	pci_remove_root_bus(bus);
	if (nvmev_host_bridge_counted() && kref_read(&bridge->kobj.kref) > 1)
		put_device(bridge);
	put_device(bridge);
}
#endif /* NVMEV_COMPAT_ROOT_BUS */

#ifdef NVMEV_COMPAT_PMEM
#include <linux/memremap.h>

/**
 * nvmev_is_pmem() - whether a page that is no RAM is memory all the same
 * @pfn: its number
 *
 * File systems and targets of the device mapper hand out persistent memory for
 * DMA. Its first pages may hold the page structures of the others, and have none.
 *
 * Context: any.
 */
bool nvmev_is_pmem(unsigned long pfn)
{
	struct dev_pagemap *pgmap = nvmev_get_dev_pagemap(pfn);
	unsigned long first;
	bool good;

	if (!pgmap)
		return false;
	first = PHYS_PFN(pgmap->range.start);
	if (pgmap->flags & PGMAP_ALTMAP_VALID)
		first += pgmap->altmap.reserve + pgmap->altmap.free;
	good = pfn >= first && (pgmap->type == MEMORY_DEVICE_FS_DAX ||
				pgmap->type == MEMORY_DEVICE_GENERIC);
	put_dev_pagemap(pgmap);
	return good;
}
#endif /* NVMEV_COMPAT_PMEM */

#ifdef NVMEV_COMPAT_MAPPINGS
/**
 * nvmev_device_mappings() - what programs' mappings of devices' memory belong to
 * @function: the name of a PCI function that has a BAR 0
 *
 * No more is told of it than by a file that is open.
 *
 * Context: load, may sleep.
 * Return: it, which stays; NULL when it cannot be found out.
 */
struct address_space *nvmev_device_mappings(const char *function)
{
	struct address_space *mapping;
	struct file *file;
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0",
		 function);
	file = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(file))
		return NULL;
	mapping = file->f_mapping;
	/* That of the file itself goes with it */
	if (mapping == file_inode(file)->i_mapping)
		mapping = NULL;
	filp_close(file, NULL);
	return mapping;
}
#endif /* NVMEV_COMPAT_MAPPINGS */
