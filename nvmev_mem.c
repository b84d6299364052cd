// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a device: a range that the kernel was told to leave alone
 * (memmap=).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/e820/api.h>

#include "nvmev.h"

/* --- reserved memory ------------------------------------------------------- */

/*
 * The firmware's own table tells RAM from a hole: both are "Reserved" in the
 * resource tree once memmap= has been there. It knows only whether some of a
 * range is RAM, so this looks at the ends of every MiB.
 */
static bool nvmev_mem_is_ram(u64 start, u64 size)
{
	u64 addr, last;

	for (addr = start; addr < start + size; addr += SZ_1M) {
		last = min(addr + SZ_1M, start + size) - 1;
		if (!e820__mapped_raw_any(addr, addr + 1, E820_TYPE_RAM) ||
		    !e820__mapped_raw_any(last, last + 1, E820_TYPE_RAM))
			return false;
	}
	return true;
}

/**
 * nvmev_mem_check() - whether the memory is reserved, and memory
 * @dev: the device
 *
 * Context: load.
 * Return: 0 or -errno.
 */
int nvmev_mem_check(const struct nvmev_dev *dev)
{
	const struct nvmev_config *config = &dev->config;
	u64 last = config->start + config->size - 1;

	if (region_intersects(config->start, config->size,
			      IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT) {
		pr_err("%s: [%#llx-%#llx] is, or overlaps, RAM that the kernel uses: boot with memmap=%lluK$%lluM\n",
		       dev->mem.text, config->start, last,
		       config->size / SZ_1K, config->start / SZ_1M);
		return -EBUSY;
	}
	if (!nvmev_mem_is_ram(config->start, config->size)) {
		pr_err("%s: [%#llx-%#llx] is not all RAM: give a range that the firmware reports as usable, see the first lines of dmesg\n",
		       dev->mem.text, config->start, last);
		return -ENXIO;
	}
	return 0;
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
