/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between kernel versions, 4.4 being the oldest, each with
 * the version in which it came. No other file asks for the version, and the
 * headers that are newer than 4.4 are included here and nowhere else. What
 * takes more than a few lines is in nvmev_compat.c.
 *
 * Stable releases have taken some of these over from later ones. So a header
 * or a macro is asked for by its name where that can be done, and a function
 * that stands in for one of the kernel's has a name of its own.
 */
#ifndef _NVMEV_COMPAT_H
#define _NVMEV_COMPAT_H

#include <linux/bitops.h>
#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/types.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

/* --- headers ------------------------------------------------------------- */

/* sparse has it not. The kernels that it is run on have these headers. */
#ifndef __has_include
#define __has_include(header)	1
#endif

/* 4.6 */
#if __has_include("linux/cpuhotplug.h")
#include <linux/cpuhotplug.h>
#endif
/* 4.9 */
#if __has_include("linux/bitfield.h")
#include <linux/bitfield.h>
#endif
/* 4.11 */
#if __has_include("linux/sched/mm.h")
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#endif
/* 4.13 */
#if __has_include("linux/build_bug.h")
#include <linux/build_bug.h>
#endif
/* 4.16 */
#if __has_include("linux/dma-direct.h")
#include <linux/dma-direct.h>
#endif
/* 4.18 */
#if __has_include("linux/overflow.h")
#include <linux/overflow.h>
#endif
/* 4.19 */
#if __has_include("linux/bits.h")
#include <linux/bits.h>
#endif
/* 5.7 renamed it */
#if __has_include("asm/memtype.h")
#include <asm/memtype.h>
#else
#include <asm/pat.h>
#endif
/* 5.10 */
#if __has_include("linux/minmax.h")
#include <linux/minmax.h>
#endif
/* 6.12 moved it */
#if defined(__CHECKER__) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <asm/unaligned.h>
#elif __has_include("linux/unaligned.h")
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* --- names ----------------------------------------------------------------- */

/* 4.19; with CONFIG_DEBUG_VM it is a bug to ask such a page for its flags */
#ifdef PAGE_POISON_PATTERN
#define nvmev_page_uninitialised(page)	PagePoisoned(page)
#else
#define nvmev_page_uninitialised(page)	false
#endif

/* 4.9 */
#ifndef FIELD_GET
#define FIELD_GET(mask, val) \
	((typeof(mask))(((val) & (mask)) >> (__builtin_ffsll(mask) - 1)))
#define FIELD_PREP(mask, val) \
	(((typeof(mask))(val) << (__builtin_ffsll(mask) - 1)) & (mask))
#endif

/* 4.11 */
#ifndef PCI_CFG_SPACE_SIZE
#define PCI_CFG_SPACE_SIZE	256
#endif

/* 4.12 */
#ifndef PCI_CLASS_STORAGE_EXPRESS
#define PCI_CLASS_STORAGE_EXPRESS	0x010802
#endif

/* 4.18 */
#ifndef check_add_overflow
#define check_add_overflow(a, b, sum)	__builtin_add_overflow(a, b, sum)
#endif
#ifndef pci_err
#define pci_err(pdev, fmt, ...)	dev_err(&(pdev)->dev, fmt, ##__VA_ARGS__)
#endif

/* 4.19 */
#ifndef DIV64_U64_ROUND_UP
#define DIV64_U64_ROUND_UP(n, d) \
	({ u64 _d = (d); div64_u64((n) + _d - 1, _d); })
#endif

/* 4.18 or 4.19 renamed it; it was a macro then */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 19, 0) && \
	!defined(cond_resched_tasks_rcu_qs)
#define cond_resched_tasks_rcu_qs()	cond_resched_rcu_qs()
#endif

/* 5.1 */
#ifndef static_assert
#define static_assert(expr, ...)	_Static_assert(expr, #expr)
#endif

/* 5.4; gcc knows the attribute since 7 */
#ifndef fallthrough
#if __GNUC__ >= 7
#define fallthrough	__attribute__((__fallthrough__))
#else
#define fallthrough	do { } while (0)
#endif
#endif

/* 5.6 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 6, 0)
#define proc_ops	file_operations
#define proc_open	open
#define proc_read	read
#define proc_write	write
#define proc_lseek	llseek
#define proc_release	release
#endif

/* 5.17 renamed it */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 17, 0)
#define pde_data(inode)	PDE_DATA(inode)
#endif

/*
 * 5.1: what module_init() makes of a function has its attributes, which gcc 9
 * and later want.
 */
#if defined(MODULE) && !defined(__copy) && __GNUC__ >= 9
#include <linux/module.h>
#undef module_init
#undef module_exit
#define module_init(fn) \
	int init_module(void) __attribute__((__copy__(fn), alias(#fn)))
#define module_exit(fn) \
	void cleanup_module(void) __attribute__((__copy__(fn), alias(#fn)))
#endif

/* --- functions ---------------------------------------------------------------- */

/* 4.12 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 12, 0)
static inline void *nvmev_kvzalloc(size_t size, gfp_t gfp)
{
	return kzalloc(size, gfp | __GFP_NOWARN | __GFP_NORETRY) ?:
	       vzalloc(size);
}

#define kvzalloc	nvmev_kvzalloc
#endif

/* 4.18; that memory which is to be overwritten comes zeroed does no harm */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 18, 0)
static inline void *nvmev_kvcalloc(size_t n, size_t size, gfp_t gfp)
{
	if (size && n > SIZE_MAX / size)
		return NULL;
	return kvzalloc(n * size, gfp);
}

#define kvcalloc	nvmev_kvcalloc
#endif

/* 4.12 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 12, 0)
#define kvmalloc_array(n, size, gfp)	kvcalloc(n, size, gfp)
#endif

/* 4.14 gave both the arguments of a system call */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 14, 0)
static inline ssize_t nvmev_kernel_read(struct file *file, void *buf,
					size_t size, loff_t *pos)
{
	return kernel_read(file, *pos, buf, size);
}

static inline ssize_t nvmev_kernel_write(struct file *file, const void *buf,
					 size_t size, loff_t *pos)
{
	return kernel_write(file, buf, size, *pos);
}

#define kernel_read	nvmev_kernel_read
#define kernel_write	nvmev_kernel_write
#endif

/* 4.13 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 13, 0)
static inline void *nvmev_memset32(u32 *p, u32 value, size_t n)
{
	u32 *end = p + n, *at;

	for (at = p; at < end; at++)
		*at = value;
	return p;
}

#define memset32	nvmev_memset32
#endif

/* 4.17 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 17, 0)
static inline void nvmev_assign_bit(long nr, unsigned long *addr, bool value)
{
	if (value)
		__set_bit(nr, addr);
	else
		__clear_bit(nr, addr);
}

#define __assign_bit	nvmev_assign_bit
#endif

/* 4.8 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 8, 0)
int pci_irq_vector(struct pci_dev *pdev, unsigned int nr);
#endif

/* 4.6 exported them, and gave region_intersects() its flags */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 6, 0)
#define NVMEV_COMPAT_RESOURCES
#define IORESOURCE_SYSTEM_RAM	IORESOURCE_MEM
#define IORES_DESC_NONE		0
#define insert_resource		nvmev_insert_resource
#define remove_resource		nvmev_remove_resource
#define region_intersects	nvmev_region_intersects
int insert_resource(struct resource *root, struct resource *new);
int remove_resource(struct resource *res);
int region_intersects(resource_size_t start, size_t size, unsigned long flags,
		      unsigned long desc);
#endif

/* 4.8; before, there are notifiers */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 8, 0)
#define NVMEV_COMPAT_CPUHP
#define CPUHP_AP_ONLINE_DYN	CPUHP_ONLINE
/* 4.6 has functions of these names, for itself */
#define cpuhp_setup_state		nvmev_cpuhp_setup_state
#define cpuhp_remove_state_nocalls	nvmev_cpuhp_remove_state_nocalls
int cpuhp_setup_state(enum cpuhp_state state, const char *name,
		      int (*startup)(unsigned int cpu),
		      int (*teardown)(unsigned int cpu));
void cpuhp_remove_state_nocalls(enum cpuhp_state state);
#endif

/*
 * The firmware's own table of the memory: 5.2 exported a look into it, 6.19
 * restricted that to KVM. Without it the table is read in sysfs.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 2, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
#define NVMEV_COMPAT_E820
#endif
bool nvmev_firmware_ram(u64 start, u64 size);

/*
 * Memory hot-remove. 5.8 brought offline_and_remove_memory(), 5.10 gave
 * add_memory() its flags, 5.15 took the node from the former.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 8, 0)
#define NVMEV_HOTREMOVE_LACKS	"is older than Linux 5.8"
#elif !defined(CONFIG_MEMORY_HOTREMOVE)
#define NVMEV_HOTREMOVE_LACKS	"was built without CONFIG_MEMORY_HOTREMOVE"
#endif

#ifdef NVMEV_HOTREMOVE_LACKS
static inline const char *nvmev_hotremove_lacks(void)
{
	return NVMEV_HOTREMOVE_LACKS;
}

static inline u64 nvmev_hotremove_block_bytes(void)
{
	return 128 * SZ_1M;
}

static inline int nvmev_hotremove(int node, u64 start, u64 size)
{
	return -EOPNOTSUPP;
}

static inline int nvmev_hotadd(int node, u64 start, u64 size)
{
	return -EOPNOTSUPP;
}

static inline bool nvmev_driver_memory(u64 start, u64 size)
{
	return false;
}

static inline bool nvmev_direct_map_coarse(u64 start, u64 size)
{
	return false;
}

static inline int nvmev_direct_map_split(u64 start)
{
	return -EOPNOTSUPP;
}

/* What asks for these is not reached then; 4.6 and 4.13 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 6, 0)
#define si_mem_available()	global_page_state(NR_FREE_PAGES)
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 13, 0)
static inline struct page *nvmev_pfn_to_online_page(unsigned long pfn)
{
	return pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;
}

#define pfn_to_online_page	nvmev_pfn_to_online_page
#endif
#else
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/set_memory.h>

static inline const char *nvmev_hotremove_lacks(void)
{
	return NULL;
}

static inline u64 nvmev_hotremove_block_bytes(void)
{
	return memory_block_size_bytes();
}

static inline int nvmev_hotremove(int node, u64 start, u64 size)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 15, 0)
	return offline_and_remove_memory(node, start, size);
#else
	return offline_and_remove_memory(start, size);
#endif
}

/* 5.11 renamed it */
#ifndef MHP_MERGE_RESOURCE
#define MHP_MERGE_RESOURCE	MEMHP_MERGE_RESOURCE
#endif

/* One entry in /proc/iomem for what lies side by side */
static inline int nvmev_hotadd(int node, u64 start, u64 size)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
	return add_memory(node, start, size);
#else
	return add_memory(node, start, size, MHP_MERGE_RESOURCE);
#endif
}

/* 5.10; what a driver has added, of persistent memory or for a hypervisor */
static inline bool nvmev_driver_memory(u64 start, u64 size)
{
#ifdef IORESOURCE_SYSRAM_DRIVER_MANAGED
	return region_intersects(start, size, IORESOURCE_SYSTEM_RAM |
				 IORESOURCE_SYSRAM_DRIVER_MANAGED,
				 IORES_DESC_NONE) != REGION_DISJOINT;
#else
	return false;
#endif
}

/*
 * No kernel so far, up to 7.3, can take a part out of a page of a gigabyte in
 * the direct map: remove_pud_table() takes such an entry for that of a table,
 * and clears what the memory at its address holds. Memory that is hot-added is
 * removed as it was added, so that nobody else gets there.
 */
static inline bool nvmev_direct_map_coarse(u64 start, u64 size)
{
	unsigned int level;

	return (start | size) & ~PUD_MASK &&
	       lookup_address((unsigned long)__va(start), &level) &&
	       level >= PG_LEVEL_1G;
}

/*
 * One small page with another attribute, and the kernel splits the large one
 * around it; it stays so. That page must be nobody's meanwhile. Should it stay
 * uncached, then no longer than its block is there.
 */
static inline int nvmev_direct_map_split(u64 start)
{
	unsigned long addr = (unsigned long)__va(start);
	int err = set_memory_uc(addr, 1);

	if (!err)
		set_memory_wb(addr, 1);
	return err;
}
#endif

/*
 * 4.6 exports what an irq domain on top of another needs. Until then there is no
 * line.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 6, 0)
#define irq_domain_alloc_fwnode(data)	((struct fwnode_handle *)NULL)
#define irq_domain_free_fwnode(fwnode)	do { } while (0)
#define irq_domain_create_hierarchy(parent, flags, size, fwnode, ops, data) \
	((void)(ops), (struct irq_domain *)NULL)
#define irq_domain_alloc_irqs_parent(domain, irq, nr, arg) \
	((void)(arg), -EOPNOTSUPP)
#define irq_domain_free_irqs_common	NULL
#define irq_domain_set_info(domain, irq, hwirq, chip, ...)	((void)(chip))
#define irq_chip_ack_parent		NULL
#endif

/* 4.14 exports it */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 14, 0)
static inline int nvmev_irq_chip_set_affinity_parent(struct irq_data *data,
						     const struct cpumask *dest,
						     bool force)
{
	data = data->parent_data;
	return data->chip->irq_set_affinity(data, dest, force);
}

#define irq_chip_set_affinity_parent	nvmev_irq_chip_set_affinity_parent
#endif

/* 4.15 sends an interrupt again to where it would have gone */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 15, 0)
#define NVMEV_COMPAT_FLAT_APIC
#endif
struct irq_data;
void nvmev_irq_retrigger(struct irq_data *data);

/* 4.16 gave it a name */
#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 16, 0)
#define irq_domain_alloc_named_id_fwnode(name, id) \
	irq_domain_alloc_fwnode((void *)(name))
#endif

/*
 * 5.8 leaves the caller a reference of the host bridge, and so do late releases
 * of earlier ones: these are asked. 4.14 has what one asks.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 14, 0)
#define NVMEV_COMPAT_ROOT_BUS
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 8, 0)
#define NVMEV_COMPAT_ROOT_BUS_ASK
#endif
struct pci_bus;
void nvmev_pci_remove_root_bus(struct pci_bus *bus);
#else
#define nvmev_pci_remove_root_bus	pci_remove_root_bus
#endif

/*
 * From 5.12 on all that is mapped of devices' memory is mapped of one file, at its
 * physical address, and stays mapped when the device goes; before, sysfs has an
 * end put to it.
 */
struct address_space;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#define NVMEV_COMPAT_MAPPINGS
struct address_space *nvmev_device_mappings(const char *function);
#else
static inline
struct address_space *nvmev_device_mappings(const char *function)
{
	return NULL;
}
#endif

/*
 * 5.10 describes persistent memory in the words that are used here; 6.18 dropped a
 * parameter.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 10, 0)
#define NVMEV_COMPAT_PMEM
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define nvmev_get_dev_pagemap(pfn)	get_dev_pagemap(pfn)
#else
#define nvmev_get_dev_pagemap(pfn)	get_dev_pagemap(pfn, NULL)
#endif
bool nvmev_is_pmem(unsigned long pfn);
#else
static inline bool nvmev_is_pmem(unsigned long pfn)
{
	return false;
}
#endif

/*
 * Until 5.8 the driver of Intel's IOMMU maps the memory of every device, also of
 * one that is behind no unit: for that it finds no domain, and refuses. It
 * leaves alone what has this mark of its own. Not that of AMD's, which keeps
 * something else there.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 8, 0) && defined(CONFIG_INTEL_IOMMU)
#include <linux/intel-iommu.h>

static inline void nvmev_stay_outside_iommu(struct device *dev)
{
	if (intel_iommu_enabled)
		dev->archdata.iommu = (void *)-1L;
}
#else
#define nvmev_stay_outside_iommu(dev)	do { } while (0)
#endif

/* Until 5.1 nobody can tell the pages that a balloon has */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 1, 0)
#define PageOffline(page)	false
#endif

/*
 * Waits for the end of a suspend or hibernation, and keeps the next from beginning.
 * 6.1 has the caller keep flags; until 5.0 it is not sure that modules can ask.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define nvmev_lock_system_sleep()	 lock_system_sleep()
#define nvmev_unlock_system_sleep(flags) unlock_system_sleep(flags)
#else
static inline unsigned int nvmev_lock_system_sleep(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 0, 0)
	lock_system_sleep();
#endif
	return 0;
}

static inline void nvmev_unlock_system_sleep(unsigned int flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 0, 0)
	unlock_system_sleep();
#endif
}
#endif

/* 5.10 has it exported */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#define phys_to_target_node(start)	NUMA_NO_NODE
#endif

#endif /* _NVMEV_COMPAT_H */
