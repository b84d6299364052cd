// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI side: a root bus of its own with one function on it, its
 * configuration space, MSI-X, and the way from the host's DMA addresses to
 * memory.
 *
 * Configuration accesses come from any context. nvmev_pci.lock guards the
 * configuration image and all that interrupts need; it is a raw spinlock
 * because the PCI core may hold one around an access.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/ioport.h>
#include <linux/iommu.h>
#include <linux/irq.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/msi.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/pci.h>

#include "nvmev.h"

/* Unregistered on purpose: no driver has quirks for it */
#define NVMEV_PCI_VENDOR_ID	0x6e76
#define NVMEV_PCI_DEVICE_ID	0x6d65

/*
 * Above 0xffff no IOMMU driver is told of the bus. The drivers keep only the
 * low 16 bits, so these must not be those of a domain that exists either.
 */
#define NVMEV_PCI_DOMAIN_FIRST	0x1fffe
#define NVMEV_PCI_DOMAIN_LAST	0x10000

#define NVMEV_CFG_SIZE		PCI_CFG_SPACE_SIZE
#define NVMEV_CFG_PM		0x40
#define NVMEV_CFG_MSIX		0x50
#define NVMEV_CFG_PCIE		0x60

/**
 * struct nvmev_vector - an interrupt vector
 * @irq_data: what the kernel knows it by, good while @generation is current
 * @generation: the nvmev_pci.generation that it was looked up in
 */
struct nvmev_vector {
	struct irq_data *irq_data;
	unsigned int generation;
};

/**
 * struct nvmev_pci - the bus and its function
 * @dev: the device
 * @sysdata: what x86 keeps for each root bus
 * @window: the BAR's place in the resource tree, not BUSY for its mappings
 * @busn: the one bus number
 * @bus: the root bus
 * @notifier: follows the pci_dev through remove and rescan
 * @lock: protects the fields below
 * @config: the configuration space
 * @writable: its bits that the host may change
 * @pdev: the function as the kernel knows it, NULL when removed. The threads
 *        read it unlocked: it is put only after the controller was reset.
 * @generation: incremented whenever MSI-X is switched on or off
 * @pending: vectors that were raised while masked
 * @vectors: the interrupt vectors
 */
struct nvmev_pci {
	struct nvmev_dev *dev;
	struct pci_sysdata sysdata;
	struct resource window;
	struct resource busn;
	struct pci_bus *bus;
	struct notifier_block notifier;

	raw_spinlock_t lock;
	u8 config[NVMEV_CFG_SIZE];
	u8 writable[NVMEV_CFG_SIZE];
	struct pci_dev *pdev;
	unsigned int generation;
	DECLARE_BITMAP(pending, NVMEV_MAX_VECTORS);
	struct nvmev_vector vectors[NVMEV_MAX_VECTORS];
};

static struct nvmev_pci *nvmev_pci_of_bus(struct pci_bus *bus)
{
	return container_of(bus->sysdata, struct nvmev_pci, sysdata);
}

/* --- interrupts ---------------------------------------------------------- */

static u16 nvmev_msix_control(struct nvmev_pci *pci)
{
	return get_unaligned_le16(pci->config + NVMEV_CFG_MSIX +
				  PCI_MSIX_FLAGS);
}

static bool nvmev_msix_masked(struct nvmev_pci *pci, u16 vector)
{
	const __le32 *entry = pci->dev->bar + NVMEV_BAR_MSIX_TABLE +
			      vector * PCI_MSIX_ENTRY_SIZE;

	return nvmev_msix_control(pci) & PCI_MSIX_FLAGS_MASKALL ||
	       le32_to_cpu(READ_ONCE(entry[PCI_MSIX_ENTRY_VECTOR_CTRL /
					   sizeof(*entry)])) &
	       PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static void nvmev_msix_set_pending(struct nvmev_pci *pci, u16 vector,
				   bool pending)
{
	u8 *pba = pci->dev->bar + NVMEV_BAR_MSIX_PBA + vector / 8;
	u8 bit = 1 << vector % 8;

	lockdep_assert_held(&pci->lock);
	__assign_bit(vector, pci->pending, pending);
	WRITE_ONCE(*pba, pending ? *pba | bit : *pba & ~bit);
}

/*
 * Looks up the kernel's side of a vector. pci_irq_vector() may take a mutex,
 * so this happens once for each time that the host sets up its interrupts,
 * and by the thread that first has one to raise.
 */
static bool nvmev_vector_resolve(struct nvmev_pci *pci, u16 vector)
{
	struct nvmev_vector *entry = &pci->vectors[vector];
	struct irq_data *irq_data = NULL;
	unsigned int generation;
	struct pci_dev *pdev;
	unsigned long flags;
	int virq;

	raw_spin_lock_irqsave(&pci->lock, flags);
	pdev = pci->pdev ? pci_dev_get(pci->pdev) : NULL;
	generation = pci->generation;
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	if (!pdev)
		return false;

	virq = pci_irq_vector(pdev, vector);

	raw_spin_lock_irqsave(&pci->lock, flags);
	/* What was torn down meanwhile is not to be touched any more */
	if (virq > 0 && generation == pci->generation)
		irq_data = irq_get_irq_data(virq);
	if (irq_data) {
		entry->irq_data = irq_data;
		entry->generation = generation;
	}
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	pci_dev_put(pdev);
	return irq_data;
}

/* Raises a vector that is known; false when it has to be resolved first */
static bool nvmev_irq_try_raise(struct nvmev_pci *pci, u16 vector)
{
	struct nvmev_vector *entry = &pci->vectors[vector];
	bool known = true;
	unsigned long flags;

	raw_spin_lock_irqsave(&pci->lock, flags);
	if (!(nvmev_msix_control(pci) & PCI_MSIX_FLAGS_ENABLE) ||
	    !pci->dev->dma) {
		/* Nobody to tell: the host polls, or is about to set up */
	} else if (nvmev_msix_masked(pci, vector)) {
		nvmev_msix_set_pending(pci, vector, true);
		/* It looks for the end of the mask, see nvmev_irq_poll() */
		wake_up_process(pci->dev->ctrl_task);
	} else if (entry->generation != pci->generation) {
		known = false;
	} else {
		struct irq_data *irq_data = entry->irq_data;
		struct irq_chip *chip = irq_data_get_irq_chip(irq_data);

		/*
		 * The real vector on the real CPU, with its affinity: what
		 * the message would have done. The host clears MSI-X Enable,
		 * and waits for this lock, before it frees the irq.
		 */
		if (chip && chip->irq_retrigger)
			chip->irq_retrigger(irq_data);
	}
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	return known;
}

/**
 * nvmev_irq_raise() - raise an interrupt vector
 * @dev: the device
 * @vector: up to the number of queues
 *
 * Masked, it stays pending, in the PBA as well, until it is unmasked.
 *
 * Context: a worker or the controller thread; may sleep once after the host
 * has set up its interrupts anew.
 */
void nvmev_irq_raise(struct nvmev_dev *dev, u16 vector)
{
	struct nvmev_pci *pci = dev->pci;

	if (unlikely(!nvmev_irq_try_raise(pci, vector)) &&
	    nvmev_vector_resolve(pci, vector))
		nvmev_irq_try_raise(pci, vector);
}

/**
 * nvmev_irq_poll() - deliver what was pending and is unmasked by now
 * @dev: the device
 *
 * Unmasking is a plain write to memory: somebody has to look.
 *
 * Context: the controller thread.
 * Return: whether any vector was delivered.
 */
bool nvmev_irq_poll(struct nvmev_dev *dev)
{
	struct nvmev_pci *pci = dev->pci;
	unsigned int vector;
	bool worked = false;
	unsigned long flags;
	bool unmasked;

	if (likely(bitmap_empty(pci->pending, NVMEV_MAX_VECTORS)))
		return false;

	for_each_set_bit(vector, pci->pending, NVMEV_MAX_VECTORS) {
		raw_spin_lock_irqsave(&pci->lock, flags);
		unmasked = !nvmev_msix_masked(pci, vector);
		if (unmasked)
			nvmev_msix_set_pending(pci, vector, false);
		raw_spin_unlock_irqrestore(&pci->lock, flags);
		if (unmasked) {
			nvmev_irq_raise(dev, vector);
			worked = true;
		}
	}
	return worked;
}

/* --- configuration space ------------------------------------------------- */

static void nvmev_cfg_set16(struct nvmev_pci *pci, unsigned int where,
			    u16 value, u16 writable)
{
	put_unaligned_le16(value, pci->config + where);
	put_unaligned_le16(writable, pci->writable + where);
}

static void nvmev_cfg_set32(struct nvmev_pci *pci, unsigned int where,
			    u32 value, u32 writable)
{
	put_unaligned_le32(value, pci->config + where);
	put_unaligned_le32(writable, pci->writable + where);
}

static void nvmev_cfg_init_caps(struct nvmev_pci *pci)
{
	unsigned int vectors = pci->dev->config.queues + 1;

	/* Power management: D0 and D3hot, state kept in D3hot */
	pci->config[NVMEV_CFG_PM] = PCI_CAP_ID_PM;
	pci->config[NVMEV_CFG_PM + PCI_CAP_LIST_NEXT] = NVMEV_CFG_MSIX;
	nvmev_cfg_set16(pci, NVMEV_CFG_PM + PCI_PM_PMC, 3, 0);
	nvmev_cfg_set16(pci, NVMEV_CFG_PM + PCI_PM_CTRL,
			PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK);

	pci->config[NVMEV_CFG_MSIX] = PCI_CAP_ID_MSIX;
	pci->config[NVMEV_CFG_MSIX + PCI_CAP_LIST_NEXT] = NVMEV_CFG_PCIE;
	nvmev_cfg_set16(pci, NVMEV_CFG_MSIX + PCI_MSIX_FLAGS, vectors - 1,
			PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	nvmev_cfg_set32(pci, NVMEV_CFG_MSIX + PCI_MSIX_TABLE,
			NVMEV_BAR_MSIX_TABLE, 0);
	nvmev_cfg_set32(pci, NVMEV_CFG_MSIX + PCI_MSIX_PBA,
			NVMEV_BAR_MSIX_PBA, 0);

	/* An endpoint integrated in the root complex: there is no link */
	pci->config[NVMEV_CFG_PCIE] = PCI_CAP_ID_EXP;
	nvmev_cfg_set16(pci, NVMEV_CFG_PCIE + PCI_EXP_FLAGS,
			2 | PCI_EXP_TYPE_RC_END << 4, 0);
	nvmev_cfg_set32(pci, NVMEV_CFG_PCIE + PCI_EXP_DEVCAP,
			PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR, 0);
	nvmev_cfg_set16(pci, NVMEV_CFG_PCIE + PCI_EXP_DEVCTL,
			PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
			PCI_EXP_DEVCTL_READRQ_512B,
			PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
			PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
			PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_PAYLOAD |
			PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ);
}

/* The configuration space as it is after a reset, the BAR at @start */
static void nvmev_cfg_init(struct nvmev_pci *pci, u64 start)
{
	memset(pci->config, 0, sizeof(pci->config));
	memset(pci->writable, 0, sizeof(pci->writable));

	nvmev_cfg_set16(pci, PCI_VENDOR_ID, NVMEV_PCI_VENDOR_ID, 0);
	nvmev_cfg_set16(pci, PCI_DEVICE_ID, NVMEV_PCI_DEVICE_ID, 0);
	nvmev_cfg_set16(pci, PCI_SUBSYSTEM_VENDOR_ID, NVMEV_PCI_VENDOR_ID, 0);
	nvmev_cfg_set16(pci, PCI_SUBSYSTEM_ID, NVMEV_PCI_DEVICE_ID, 0);
	nvmev_cfg_set32(pci, PCI_CLASS_REVISION,
			PCI_CLASS_STORAGE_EXPRESS << 8 | 1, 0);
	nvmev_cfg_set16(pci, PCI_COMMAND, 0, PCI_COMMAND_MEMORY |
			PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	nvmev_cfg_set16(pci, PCI_STATUS, PCI_STATUS_CAP_LIST, 0);
	pci->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	pci->writable[PCI_INTERRUPT_LINE] = 0xff;
	nvmev_cfg_set32(pci, PCI_BASE_ADDRESS_0, lower_32_bits(start) |
			PCI_BASE_ADDRESS_MEM_TYPE_64, -NVMEV_BAR_SIZE);
	nvmev_cfg_set32(pci, PCI_BASE_ADDRESS_1, upper_32_bits(start), ~0);
	pci->config[PCI_CAPABILITY_LIST] = NVMEV_CFG_PM;
	nvmev_cfg_init_caps(pci);
}

/* Every entry is masked after a reset */
static void nvmev_msix_init_table(struct nvmev_dev *dev)
{
	__le32 *table = dev->bar + NVMEV_BAR_MSIX_TABLE;
	unsigned int vector;

	memset(table, 0, NVMEV_MAX_VECTORS * PCI_MSIX_ENTRY_SIZE);
	for (vector = 0; vector < NVMEV_MAX_VECTORS; vector++)
		table[(vector * PCI_MSIX_ENTRY_SIZE +
		       PCI_MSIX_ENTRY_VECTOR_CTRL) / sizeof(*table)] =
			cpu_to_le32(PCI_MSIX_ENTRY_CTRL_MASKBIT);
	memset(dev->bar + NVMEV_BAR_MSIX_PBA, 0,
	       BITS_TO_LONGS(NVMEV_MAX_VECTORS) * sizeof(long));
}

static void nvmev_msix_off(struct nvmev_pci *pci)
{
	lockdep_assert_held(&pci->lock);
	pci->generation++;
	bitmap_zero(pci->pending, NVMEV_MAX_VECTORS);
	memset(pci->dev->bar + NVMEV_BAR_MSIX_PBA, 0,
	       BITS_TO_LONGS(NVMEV_MAX_VECTORS) * sizeof(long));
}

/* Whether the function may reach the host's memory at all */
static void nvmev_pci_update_dma(struct nvmev_pci *pci)
{
	u16 command = get_unaligned_le16(pci->config + PCI_COMMAND);
	u16 pm = get_unaligned_le16(pci->config + NVMEV_CFG_PM + PCI_PM_CTRL);

	lockdep_assert_held(&pci->lock);
	WRITE_ONCE(pci->dev->dma, (command & PCI_COMMAND_MASTER) &&
		   !(pm & PCI_PM_CTRL_STATE_MASK));
}

/*
 * Function level reset: the host gives it 100 ms (PCIe 6.6.2). The registers
 * are reset here and now, because the host may write to them soon after.
 */
static void nvmev_pci_flr(struct nvmev_pci *pci)
{
	lockdep_assert_held(&pci->lock);
	nvmev_cfg_init(pci, 0);
	nvmev_msix_init_table(pci->dev);
	nvmev_msix_off(pci);
	nvmev_pci_update_dma(pci);
	nvmev_ctrl_reset_registers(pci->dev);
	nvmev_ctrl_event(pci->dev, NVMEV_EVENT_RESET);
	if (pci->dev->ctrl_task)
		wake_up_process(pci->dev->ctrl_task);
}

static int nvmev_pci_read(struct pci_bus *bus, unsigned int devfn, int where,
			  int size, u32 *val)
{
	struct nvmev_pci *pci = nvmev_pci_of_bus(bus);
	unsigned long flags;
	__le32 raw = 0;

	if (devfn || bus->number || where + size > NVMEV_CFG_SIZE) {
		*val = ~0;
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	raw_spin_lock_irqsave(&pci->lock, flags);
	memcpy(&raw, pci->config + where, size);
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	*val = le32_to_cpu(raw);
	return PCIBIOS_SUCCESSFUL;
}

static int nvmev_pci_write(struct pci_bus *bus, unsigned int devfn, int where,
			   int size, u32 val)
{
	const unsigned int devctl = NVMEV_CFG_PCIE + PCI_EXP_DEVCTL;
	struct nvmev_pci *pci = nvmev_pci_of_bus(bus);
	unsigned long flags;
	u16 old_msix;
	int i;

	if (devfn || bus->number || where + size > NVMEV_CFG_SIZE)
		return PCIBIOS_DEVICE_NOT_FOUND;

	raw_spin_lock_irqsave(&pci->lock, flags);
	old_msix = nvmev_msix_control(pci);
	for (i = 0; i < size; i++) {
		u8 byte = val >> 8 * i, mask = pci->writable[where + i];

		pci->config[where + i] &= ~mask;
		pci->config[where + i] |= byte & mask;
		if (where + i == devctl + 1 &&
		    byte & (PCI_EXP_DEVCTL_BCR_FLR >> 8)) {
			nvmev_pci_flr(pci);
			break;
		}
	}
	if ((old_msix ^ nvmev_msix_control(pci)) & PCI_MSIX_FLAGS_ENABLE)
		nvmev_msix_off(pci);
	nvmev_pci_update_dma(pci);
	raw_spin_unlock_irqrestore(&pci->lock, flags);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops nvmev_pci_ops = {
	.read = nvmev_pci_read,
	.write = nvmev_pci_write,
};

/* --- host memory ---------------------------------------------------------- */

/* Whether the direct map has this page, and the device may write to it */
static bool nvmev_host_page_ok(unsigned long pfn, bool write)
{
	struct page *page;

	if (!pfn_valid(pfn))
		return false;
	page = pfn_to_page(pfn);
	if (unlikely(PageHWPoison(page)))
		return false;
	if (likely(!PageReserved(page)))
		return true;
	/*
	 * Struct pages of holes and of reserved ranges are marked so, and the
	 * kernel's own image, whose zero page is read by DMA every day.
	 */
	return !write && page_is_ram(pfn);
}

/**
 * nvmev_host_ptr() - where a host address lies in memory
 * @dev: the device
 * @addr: the address as the host gave it, for a device to use
 * @write: whether the device will write there
 *
 * Context: a worker or the controller thread, while the controller is enabled;
 * also with a spinlock held.
 * Return: the address, good to the end of its page; NULL when it is no memory.
 */
void *nvmev_host_ptr(struct nvmev_dev *dev, u64 addr, bool write)
{
	struct pci_dev *pdev = READ_ONCE(dev->pci->pdev);
	struct iommu_domain *domain;
	phys_addr_t phys;

	if (unlikely(!pdev))
		return NULL;
	domain = iommu_get_domain_for_dev(&pdev->dev);
	if (unlikely(domain)) {
		phys = iommu_iova_to_phys(domain, addr);
		if (!phys)
			return NULL;
	} else {
		phys = dma_to_phys(&pdev->dev, addr);
	}
	if (unlikely(!nvmev_host_page_ok(PHYS_PFN(phys), write)))
		return NULL;
	return phys_to_virt(phys);
}

/* --- the bus --------------------------------------------------------------- */

static bool nvmev_pci_domain_taken(int domain)
{
	struct pci_bus *bus = NULL;

	while ((bus = pci_find_next_bus(bus)))
		if (pci_domain_nr(bus) == domain ||
		    (pci_domain_nr(bus) & 0xffff) == (domain & 0xffff))
			return true;
	return false;
}

static int nvmev_pci_find_domain(void)
{
	int domain;

	for (domain = NVMEV_PCI_DOMAIN_FIRST; domain >= NVMEV_PCI_DOMAIN_LAST;
	     domain--)
		if (!nvmev_pci_domain_taken(domain))
			return domain;
	return -ENOSPC;
}

static int nvmev_pci_notify(struct notifier_block *nb, unsigned long action,
			    void *data)
{
	struct nvmev_pci *pci = container_of(nb, struct nvmev_pci, notifier);
	struct pci_dev *pdev = to_pci_dev(data), *old;
	unsigned long flags;

	if (pdev->bus->sysdata != &pci->sysdata)
		return NOTIFY_DONE;

	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
		/*
		 * Where it is, before the PCI core looks for a place: it would
		 * not take one that the firmware's table calls reserved, which
		 * is what memmap= makes of ours.
		 */
		if (pci_claim_resource(pdev, 0))
			pci_err(pdev, "the BAR cannot be claimed\n");
		pci_dev_get(pdev);
		raw_spin_lock_irqsave(&pci->lock, flags);
		WRITE_ONCE(pci->pdev, pdev);
		raw_spin_unlock_irqrestore(&pci->lock, flags);
		break;
	case BUS_NOTIFY_REMOVED_DEVICE:
		raw_spin_lock_irqsave(&pci->lock, flags);
		old = pci->pdev;
		WRITE_ONCE(pci->pdev, NULL);
		pci->generation++;
		raw_spin_unlock_irqrestore(&pci->lock, flags);
		/* Afterwards nobody uses the device for translation */
		nvmev_ctrl_reset(pci->dev);
		pci_dev_put(old);
		break;
	}
	return NOTIFY_OK;
}

/**
 * nvmev_pci_init() - prepare the function and claim its BAR
 * @dev: the device
 *
 * Context: load, may sleep.
 * Return: 0 or -errno.
 */
int nvmev_pci_init(struct nvmev_dev *dev)
{
	struct nvmev_pci *pci = kzalloc(sizeof(*pci), GFP_KERNEL);
	int err;

	if (!pci)
		return -ENOMEM;
	pci->dev = dev;
	raw_spin_lock_init(&pci->lock);
	/* 0 is what vectors have that were never looked up */
	pci->generation = 1;
	nvmev_cfg_init(pci, dev->config.start);

	pci->window.name = "nvmev BAR";
	pci->window.start = dev->config.start;
	pci->window.end = dev->config.start + NVMEV_BAR_SIZE - 1;
	pci->window.flags = IORESOURCE_MEM | IORESOURCE_MEM_64;
	err = insert_resource(&iomem_resource, &pci->window);
	if (!err && (pci->window.child ||
		     pci->window.parent->flags & IORESOURCE_BUSY)) {
		remove_resource(&pci->window);
		err = -EBUSY;
	}
	if (err) {
		pr_err("memmap_start: %pR is claimed by someone else\n",
		       &pci->window);
		kfree(pci);
		return err;
	}
	dev->pci = pci;
	return 0;
}

/**
 * nvmev_pci_destroy() - give the BAR back
 * @dev: the device; may be destroyed twice
 */
void nvmev_pci_destroy(struct nvmev_dev *dev)
{
	if (!dev->pci)
		return;
	remove_resource(&dev->pci->window);
	kfree(dev->pci);
	dev->pci = NULL;
}

/**
 * nvmev_pci_add() - make the bus, and let drivers bind
 * @dev: the device, with its threads running
 *
 * Context: load, may sleep.
 * Return: 0 or -errno.
 */
int nvmev_pci_add(struct nvmev_dev *dev)
{
	struct nvmev_pci *pci = dev->pci;
	LIST_HEAD(resources);
	int err;

	nvmev_msix_init_table(dev);
	pci->busn.name = "nvmev bus";
	pci->busn.flags = IORESOURCE_BUS;
	pci->notifier.notifier_call = nvmev_pci_notify;
	/* Before the IOMMU core, which takes the device out of its domain */
	pci->notifier.priority = 1;
	err = bus_register_notifier(&pci_bus_type, &pci->notifier);
	if (err)
		return err;

	pci_lock_rescan_remove();
	err = nvmev_pci_find_domain();
	if (err < 0)
		goto unlock;
	WRITE_ONCE(pci->sysdata.domain, err);
	pci->sysdata.node = cpu_to_node(dev->config.cpus[1]);

	pci_add_resource(&resources, &pci->window);
	pci_add_resource(&resources, &pci->busn);
	pci->bus = pci_create_root_bus(NULL, 0, &nvmev_pci_ops, &pci->sysdata,
				       &resources);
	if (!pci->bus) {
		pci_free_resource_list(&resources);
		err = -ENOMEM;
		goto unlock;
	}
	pci_scan_child_bus(pci->bus);
	/* The notifier has seen it, and claimed its BAR */
	if (!pci->pdev || !pci->pdev->resource[0].parent) {
		err = -ENODEV;
		goto remove_bus;
	}
	pci_bus_add_devices(pci->bus);
	pci_unlock_rescan_remove();
	return 0;

remove_bus:
	pci_stop_root_bus(pci->bus);
	pci_remove_root_bus(pci->bus);
unlock:
	pci_unlock_rescan_remove();
	bus_unregister_notifier(&pci_bus_type, &pci->notifier);
	pr_err("no PCI bus: error %d\n", err);
	return err;
}

/**
 * nvmev_pci_domain() - the PCI domain that is the device's own
 * @dev: the device
 *
 * Return: the domain, 0 before nvmev_pci_add().
 */
int nvmev_pci_domain(struct nvmev_dev *dev)
{
	return READ_ONCE(dev->pci->sysdata.domain);
}

/**
 * nvmev_pci_remove() - take the bus away; drivers unbind
 * @dev: the device, with its threads still running
 *
 * Context: unload, sleeps.
 */
void nvmev_pci_remove(struct nvmev_dev *dev)
{
	struct nvmev_pci *pci = dev->pci;

	pci_lock_rescan_remove();
	pci_stop_root_bus(pci->bus);
	pci_remove_root_bus(pci->bus);
	pci_unlock_rescan_remove();
	bus_unregister_notifier(&pci_bus_type, &pci->notifier);
}
