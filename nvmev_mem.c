// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a device: a range that the kernel was told to leave alone
 * (memmap=), or one that is taken out of the running kernel, block by block,
 * by memory hot-remove, and given back at unload.
 *
 * A block that is taken is gone from the kernel as if it had never been there:
 * it is not System RAM in the resource tree, has no struct pages and is not in
 * the direct map. Afterwards there is no difference between the two kinds, but
 * that the second is cleared first: what the kernel had there is nobody's
 * business.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/notifier.h>
#include <linux/pfn.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "nvmev.h"

/*
 * What must remain available to the kernel, of all its memory, when the
 * devices have theirs: an eighth, and no less than this.
 */
#define NVMEV_MEM_MARGIN_SHIFT	3
#define NVMEV_MEM_MIN_MARGIN	SZ_256M

/*
 * A block whose pages are pinned is tried by the kernel for ever. One that is
 * full is emptied in seconds, unless the machine is busy.
 */
#define NVMEV_MEM_BLOCK_SECONDS	30

/* Cleared between two looks at whether somebody else wants the CPU */
#define NVMEV_MEM_CLEAR_BYTES	SZ_4M

/* --- reserved memory ------------------------------------------------------- */

static int nvmev_mem_check_reserved(const struct nvmev_dev *dev)
{
	const struct nvmev_config *config = &dev->config;
	u64 last = config->start + config->size - 1;

	if (region_intersects(config->start, config->size,
			      IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT) {
		pr_err("%s: [%#llx-%#llx] is, or overlaps, RAM that the kernel uses: boot with memmap=%lluK$%lluM, or leave memmap_start out\n",
		       dev->mem.text, config->start, last,
		       config->size / SZ_1K, config->start / SZ_1M);
		return -EBUSY;
	}
	if (!nvmev_firmware_ram(config->start, config->size)) {
		pr_err("%s: [%#llx-%#llx] is not all RAM: give a range that the firmware reports as usable, see the first lines of dmesg\n",
		       dev->mem.text, config->start, last);
		return -ENXIO;
	}
	return 0;
}

/* --- memory of the running kernel ------------------------------------------ */

/**
 * struct nvmev_mem_removal - a block that is to be taken
 * @start: its first byte
 * @node: its NUMA node
 * @state: to take it out of use with, when its part of the direct map has to be
 *         split before; else NULL
 * @notifier: for that moment
 * @split: what came of the split
 * @err: what came of it all
 * @done: completed when @err is there
 */
struct nvmev_mem_removal {
	u64 start;
	int node;
	struct file *state;
	struct notifier_block notifier;
	int split;
	int err;
	struct completion done;
};

/* Not for threads of the kernel, which see no file system from 7.0 on */
static struct file *nvmev_mem_open_state(u64 start)
{
	char path[64];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/memory/memory%llu/state",
		 start / nvmev_hotremove_block_bytes());
	return filp_open(path, O_WRONLY, 0);
}

/* Asks for another state of a block as a person would */
static int nvmev_mem_set_state(struct file *file, const char *state)
{
	ssize_t written;
	loff_t pos = 0;

	for (;;) {
		written = kernel_write(file, state, strlen(state), &pos);
		if (written != -ERESTARTNOINTR)
			return min_t(ssize_t, written, 0);
		/* Other hotplug is going on: to be tried again, no signal */
		recalc_sigpending();
	}
}

/* Brings a block into use. udev may have been faster. */
static int nvmev_mem_online_block(u64 start, bool movable)
{
	struct file *file;
	int err;

	if (pfn_to_online_page(PHYS_PFN(start)))
		return 0;
	file = nvmev_mem_open_state(start);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = nvmev_mem_set_state(file, movable ? "online_movable" :
					"online_kernel");
	filp_close(file, NULL);
	if (pfn_to_online_page(PHYS_PFN(start)))
		return 0;
	return err ?: -EIO;
}

/* Pages of a block in use that nobody has got: not in the kernel's free lists */
static unsigned long nvmev_mem_kept_back(u64 start)
{
	unsigned long pfn = PHYS_PFN(start), kept = 0;
	unsigned long end = pfn + PHYS_PFN(nvmev_hotremove_block_bytes());

	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (page && (PageReserved(page) || PageOffline(page)))
			kept++;
	}
	cond_resched();
	return kept;
}

static void nvmev_mem_put_online(u64 start, bool movable)
{
	u64 block = nvmev_hotremove_block_bytes();
	int err = nvmev_mem_online_block(start, movable);
	unsigned long kept = nvmev_mem_kept_back(start);

	/* A driver has its say when pages come into use, and may know nothing of these */
	if (kept)
		pr_err("[%#llx-%#llx] is the kernel's again, but %lu of its pages are not in use: what balloons the memory of this machine (Hyper-V, Xen) keeps them until the next boot\n",
		       start, start + block - 1, kept);
	if (err)
		pr_err("[%#llx-%#llx] is the kernel's again, but not in use: error %d; write online to /sys/devices/system/memory/memory%llu/state\n",
		       start, start + block - 1, err, start / block);
}

/*
 * A block has just been emptied: no page of it is anybody's, their structures
 * are still whole, and nobody can bring it back now.
 */
static int nvmev_mem_notify(struct notifier_block *notifier,
			    unsigned long action, void *data)
{
	struct nvmev_mem_removal *removal =
		container_of(notifier, struct nvmev_mem_removal, notifier);
	const struct memory_notify *range = data;

	if (action == MEM_OFFLINE &&
	    range->start_pfn == PHYS_PFN(removal->start))
		removal->split = nvmev_direct_map_split(removal->start);
	return NOTIFY_OK;
}

/* Makes the direct map of a block such that the kernel can take it out */
static int nvmev_mem_split(struct nvmev_mem_removal *removal)
{
	int err;

	removal->split = -EBUSY;
	removal->notifier.notifier_call = nvmev_mem_notify;
	err = register_memory_notifier(&removal->notifier);
	if (err)
		return err;
	err = nvmev_mem_set_state(removal->state, "offline");
	unregister_memory_notifier(&removal->notifier);
	if (err)
		return err;
	if (!removal->split &&
	    nvmev_direct_map_coarse(removal->start,
				    nvmev_hotremove_block_bytes()))
		return -EOPNOTSUPP;
	return removal->split;
}

/*
 * In a thread of its own, because the kernel gives a block up only when the
 * task that asked for it is killed, and the loader is not ours to kill.
 */
static int nvmev_mem_remove_thread(void *data)
{
	struct nvmev_mem_removal *removal = data;
	int err = 0;

	allow_signal(SIGKILL);
	if (removal->state)
		err = nvmev_mem_split(removal);
	if (!err)
		err = nvmev_hotremove(removal->node, removal->start,
				      nvmev_hotremove_block_bytes());
	removal->err = err;
	complete(&removal->done);
	return 0;
}

/*
 * Tries to take a block; @removal->err says whether it is ours. Returns -errno
 * when no other block is to be tried: the loader was killed, or is out of means.
 */
static int nvmev_mem_remove_block(struct nvmev_mem_removal *removal,
				  bool movable)
{
	struct task_struct *task;
	int err = 0;
	long left;

	removal->state = NULL;
	if (nvmev_direct_map_coarse(removal->start,
				    nvmev_hotremove_block_bytes())) {
		removal->state = nvmev_mem_open_state(removal->start);
		if (IS_ERR(removal->state)) {
			removal->err = PTR_ERR(removal->state);
			return 0;
		}
	}
	init_completion(&removal->done);
	task = kthread_create(nvmev_mem_remove_thread, removal, "nvmev/mem");
	if (IS_ERR(task)) {
		err = PTR_ERR(task);
		removal->err = err;
		goto close;
	}
	get_task_struct(task);
	wake_up_process(task);

	left = wait_for_completion_killable_timeout(&removal->done,
						    NVMEV_MEM_BLOCK_SECONDS *
						    HZ);
	if (left <= 0) {
		/* Again and again: it is deaf until it allows it */
		do {
			send_sig(SIGKILL, task, 1);
		} while (!wait_for_completion_timeout(&removal->done, HZ / 10));
	}
	if (left < 0)
		err = -EINTR;
	kthread_stop(task);
	put_task_struct(task);
close:
	if (removal->state) {
		/* The kernel itself brings back only what was in use then */
		if (removal->err &&
		    !pfn_to_online_page(PHYS_PFN(removal->start)))
			nvmev_mem_put_online(removal->start, movable);
		filp_close(removal->state, NULL);
	}
	return err;
}

/* A block comes back whole: if any of it is the kernel's, then all of it is */
static bool nvmev_mem_is_given_back(u64 start)
{
	return region_intersects(start, nvmev_hotremove_block_bytes(),
				 IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) ==
	       REGION_INTERSECTS;
}

/*
 * Block by block: the kernel needs memory for the page structures, 16 MiB for a
 * GiB, and each block has enough for the next. One for which there was none is
 * tried again when the others are back. Nothing can be done for what the kernel
 * does not take even then but to say so.
 */
static void nvmev_mem_give_back(u64 start, u64 size, int node, bool movable)
{
	u64 block = nvmev_hotremove_block_bytes(), addr;
	unsigned int missing = 0;
	int err;

	for (addr = start; addr < start + size; addr += block) {
		if (nvmev_hotadd(node, addr, block))
			missing++;
		else
			nvmev_mem_put_online(addr, movable);
	}
	for (addr = start; missing && addr < start + size; addr += block) {
		if (nvmev_mem_is_given_back(addr))
			continue;
		missing--;
		err = nvmev_hotadd(node, addr, block);
		if (err)
			pr_err("[%#llx-%#llx] cannot be given back to the kernel: error %d; it is lost until the next boot\n",
			       addr, addr + block - 1, err);
		else
			nvmev_mem_put_online(addr, movable);
	}
}

/*
 * Whether it is worth while to try a block: all of it the kernel's own RAM and
 * not a driver's, in use and of the node, in the zone, and nothing there that is
 * known to stay. Huge pages might go, but the kernel would have fewer of them
 * afterwards. What is broken would go as well, but is not to be touched.
 */
static bool nvmev_mem_block_ok(u64 start, int node, enum zone_type zone)
{
	unsigned long pfn = PHYS_PFN(start);
	u64 block = nvmev_hotremove_block_bytes();
	unsigned long end = pfn + PHYS_PFN(block);

	if (region_intersects(start, block, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_INTERSECTS ||
	    nvmev_driver_memory(start, block))
		return false;
	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (!page || PageReserved(page) || PageHuge(page) ||
		    PageHWPoison(page) || page_to_nid(page) != node ||
		    page_zonenum(page) != zone)
			return false;
	}
	cond_resched();
	return true;
}

/* The lowest address from which on all blocks up to @end are worth a try */
static u64 nvmev_mem_window(u64 end, u64 size, int node, bool *movable)
{
	u64 block = nvmev_hotremove_block_bytes(), start = end;
	struct page *page;

	page = pfn_to_online_page(PHYS_PFN(end - block));
	if (!page)
		return end;
	*movable = page_zonenum(page) == ZONE_MOVABLE;
	while (start > end - size &&
	       nvmev_mem_block_ok(start - block, node, page_zonenum(page)))
		start -= block;
	return start;
}

/*
 * From the top of the node down: at the bottom are the kernel and what it has
 * allocated first. Whenever a block cannot be emptied, those above it go back
 * and the search goes on below.
 */
static int nvmev_mem_search(struct nvmev_dev *dev, int node,
			    unsigned int *tried)
{
	u64 block = nvmev_hotremove_block_bytes(), size = dev->config.size;
	u64 low = PFN_PHYS(NODE_DATA(node)->node_start_pfn);
	u64 end = round_down(PFN_PHYS(pgdat_end_pfn(NODE_DATA(node))), block);
	struct nvmev_mem_removal removal = { .node = node };
	u64 start, addr;
	bool movable = false;
	int err = 0;

	while (end >= low + size) {
		start = nvmev_mem_window(end, size, node, &movable);
		if (start > end - size) {
			/* Not a whole window: go on below what is in the way */
			end = start - block;
			continue;
		}
		for (addr = end; addr > start; addr -= block) {
			removal.start = addr - block;
			err = nvmev_mem_remove_block(&removal, movable);
			(*tried)++;
			if (err || removal.err)
				break;
		}
		/* Stopped, but the last block is ours all the same */
		if (err && !removal.err)
			addr -= block;
		if (!err && addr == start) {
			dev->config.start = start;
			dev->mem.node = node;
			dev->mem.movable = movable;
			dev->mem.taken = true;
			return 0;
		}
		if (addr < end)
			nvmev_mem_give_back(addr, end - addr, node, movable);
		if (err)
			return err;
		end = addr - block;
	}
	return -EBUSY;
}

static int nvmev_mem_take(struct nvmev_dev *dev)
{
	u64 block = nvmev_hotremove_block_bytes(), size = dev->config.size;
	int node = cpu_to_mem(dev->config.cpus[1]);
	unsigned int tried = 0;
	int err;

	err = nvmev_mem_search(dev, node, &tried);
	if (err && err != -EBUSY)
		pr_err("%s: the memory is not taken: error %d\n",
		       dev->mem.text, err);
	else if (err)
		pr_err("%s: no %llu blocks of %llu MiB in a row can be emptied on node %d, %u were tried: ask for less, stop programs, give CPUs of another node, or boot with memmap=%lluM$START\n",
		       dev->mem.text, size / block, block / SZ_1M, node, tried,
		       size / SZ_1M);
	return err;
}

/* What the kernel had there is not for the host to see */
static int nvmev_mem_clear(struct nvmev_dev *dev)
{
	u64 pos, size = dev->config.size;
	u8 *mem = memremap(dev->config.start, size, MEMREMAP_WB);
	int err = 0;

	if (!mem) {
		pr_err("%s: the memory cannot be mapped\n", dev->mem.text);
		return -ENOMEM;
	}
	for (pos = 0; pos < size; pos += NVMEV_MEM_CLEAR_BYTES) {
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
		memset(mem + pos, 0, min_t(u64, size - pos,
					   NVMEV_MEM_CLEAR_BYTES));
		cond_resched();
	}
	memunmap(mem);
	return err;
}

/**
 * nvmev_mem_check_free() - whether the running kernel can spare memory at all
 * @text: the parameter memmap_size, for the refusal
 * @size: what all devices want of it together; each a multiple of the block
 *
 * Context: load, may sleep.
 * Return: 0 or -errno.
 */
int nvmev_mem_check_free(const char *text, u64 size)
{
	u64 available = (u64)si_mem_available() << PAGE_SHIFT, margin;
	struct sysinfo info;

	si_meminfo(&info);
	margin = (u64)info.totalram * info.mem_unit >> NVMEV_MEM_MARGIN_SHIFT;
	margin = max_t(u64, margin, NVMEV_MEM_MIN_MARGIN);
	if (available >= size && available - size >= margin)
		return 0;
	pr_err("memmap_size=%s: too little free memory: %llu MiB are available, of which %llu must remain: ask for less, or stop programs\n",
	       text, available / SZ_1M, margin / SZ_1M);
	return -ENOMEM;
}

/**
 * nvmev_mem_check_kernel() - whether this kernel gives memory away
 * @text: the parameters, for the refusal
 *
 * Context: load, may sleep.
 * Return: 0, -EOPNOTSUPP, or the -errno of opening /sys.
 */
int nvmev_mem_check_kernel(const char *text)
{
	const char *lacks = nvmev_hotremove_lacks();
	struct file *file;

	if (!lacks) {
		/* Blocks come back by it, and mappings of the BAR are ended */
		file = filp_open("/sys/devices/system/memory", O_RDONLY, 0);
		if (IS_ERR(file)) {
			pr_err("%s: memmap_start is missing, and to take memory and give it back needs /sys, which cannot be opened: error %ld; mount sysfs there\n",
			       text, PTR_ERR(file));
			return PTR_ERR(file);
		}
		filp_close(file, NULL);
		return 0;
	}
	pr_err("%s: memmap_start is missing, and this kernel cannot give memory away while it runs: it %s; boot with memmap=SIZE$START and give both\n",
	       text, lacks);
	return -EOPNOTSUPP;
}

/* --- both ------------------------------------------------------------------ */

/**
 * nvmev_mem_get() - check the reserved memory, or take it from the kernel
 * @dev: the device; its start is set if it was not given
 *
 * Context: load, sleeps; may take long.
 * Return: 0 or -errno.
 */
int nvmev_mem_get(struct nvmev_dev *dev)
{
	int err;

	if (!dev->config.hotremove)
		return nvmev_mem_check_reserved(dev);
	err = nvmev_mem_take(dev);
	if (err)
		return err;
	err = nvmev_mem_clear(dev);
	if (err)
		nvmev_mem_put(dev);
	return err;
}

/**
 * nvmev_mem_put() - give back what nvmev_mem_get() took
 * @dev: the device, with its memory neither mapped nor claimed
 *
 * Context: sleeps.
 */
void nvmev_mem_put(struct nvmev_dev *dev)
{
	if (!dev->mem.taken)
		return;
	nvmev_mem_give_back(dev->config.start, dev->config.size,
			    dev->mem.node, dev->mem.movable);
	dev->mem.taken = false;
}

/**
 * nvmev_mem_map() - claim the storage, map it and the BAR
 * @dev: the device, with the BAR claimed
 *
 * Context: load, may sleep.
 * Return: 0 or -errno.
 */
int nvmev_mem_map(struct nvmev_dev *dev)
{
	u64 storage = dev->config.start + NVMEV_STORAGE_OFFSET;

	dev->storage_bytes = dev->config.size - NVMEV_STORAGE_OFFSET;
	if (!request_mem_region(storage, dev->storage_bytes,
				"nvmev storage")) {
		pr_err("%s: [%#llx-%#llx] is claimed by someone else, see /proc/iomem\n",
		       dev->mem.text, storage,
		       storage + dev->storage_bytes - 1);
		return -EBUSY;
	}
	/* Before the host maps it: that mapping then takes the same type */
	dev->bar = memremap(dev->config.start, NVMEV_BAR_SIZE, MEMREMAP_WT);
	if (!dev->bar)
		goto release;
	dev->storage = memremap(storage, dev->storage_bytes, MEMREMAP_WB);
	if (!dev->storage)
		goto unmap_bar;
	return 0;

unmap_bar:
	memunmap(dev->bar);
release:
	release_mem_region(storage, dev->storage_bytes);
	pr_err("%s: the memory cannot be mapped\n", dev->mem.text);
	return -ENOMEM;
}

/**
 * nvmev_mem_unmap() - undo nvmev_mem_map()
 * @dev: the device, with no thread left
 *
 * Context: sleeps.
 */
void nvmev_mem_unmap(struct nvmev_dev *dev)
{
	memunmap(dev->storage);
	memunmap(dev->bar);
	release_mem_region(dev->config.start + NVMEV_STORAGE_OFFSET,
			   dev->storage_bytes);
}
