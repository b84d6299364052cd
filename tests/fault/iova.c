// SPDX-License-Identifier: GPL-2.0
/*
 * Has nvmev's device use addresses that an IOMMU translates, on a machine that has
 * an IOMMU. The device itself stays outside of it, so two things are made up. The
 * functions for that are those of Linux 6.1.
 *
 * - its DMA addresses: those that its driver is given lie @shift above the memory;
 * - what nvmev is told when it asks for the device's IOMMU domain: one that nobody
 *   is attached to, with a table that maps memory there, or with nothing mapped.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-direct.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "skip.h"

#define NVMEV_IOVA_VENDOR	0x6e76
#define NVMEV_IOVA_SHIFT	(64ULL << 30)

static ulong memory = 4UL << 30;
module_param(memory, ulong, 0444);
MODULE_PARM_DESC(memory, "Bytes of memory that are mapped, from 0 on (default 4 GiB)");

static bool mapped = true;
module_param(mapped, bool, 0644);
MODULE_PARM_DESC(mapped, "Whether the table that nvmev finds has anything in it (default Y)");

static ulong translated;
module_param(translated, ulong, 0444);
MODULE_PARM_DESC(translated, "How often the domain was asked for");

static struct iommu_domain *nvmev_iova_full, *nvmev_iova_empty;

static int nvmev_iova_pre(struct kprobe *probe, struct pt_regs *regs)
{
	struct device *dev = (struct device *)regs->di;

	if (!dev_is_pci(dev) || to_pci_dev(dev)->vendor != NVMEV_IOVA_VENDOR)
		return 0;
	translated++;
	return nvmev_fault_skip(regs, (unsigned long)(READ_ONCE(mapped) ?
						     nvmev_iova_full :
						     nvmev_iova_empty));
}

NOKPROBE_SYMBOL(nvmev_iova_pre);

/* Where there is one the kernel lets a probe go on elsewhere */
static void nvmev_iova_post(struct kprobe *probe, struct pt_regs *regs,
			    unsigned long flags)
{
}

static struct kprobe nvmev_iova_probe = {
	.symbol_name = "iommu_get_domain_for_dev",
	.pre_handler = nvmev_iova_pre,
	.post_handler = nvmev_iova_post,
};

/* As a host bridge whose devices see memory elsewhere; freed with the device */
static int nvmev_iova_notify(struct notifier_block *nb, unsigned long action,
			     void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);
	struct bus_dma_region *regions;

	if (action != BUS_NOTIFY_ADD_DEVICE ||
	    pdev->vendor != NVMEV_IOVA_VENDOR)
		return NOTIFY_DONE;
	/* The last one is empty */
	regions = kcalloc(2, sizeof(*regions), GFP_KERNEL);
	if (!regions)
		return NOTIFY_BAD;
	regions->dma_start = NVMEV_IOVA_SHIFT;
	regions->size = memory;
	regions->offset = 0 - NVMEV_IOVA_SHIFT;
	pdev->dev.dma_range_map = regions;
	return NOTIFY_OK;
}

static struct notifier_block nvmev_iova_notifier = {
	.notifier_call = nvmev_iova_notify,
};

static void nvmev_iova_free(void)
{
	if (nvmev_iova_full)
		iommu_domain_free(nvmev_iova_full);
	if (nvmev_iova_empty)
		iommu_domain_free(nvmev_iova_empty);
}

static int __init nvmev_iova_init(void)
{
	int err = -ENODEV;

	nvmev_iova_full = iommu_domain_alloc(&pci_bus_type);
	nvmev_iova_empty = iommu_domain_alloc(&pci_bus_type);
	if (!nvmev_iova_full || !nvmev_iova_empty)
		goto free;
	err = iommu_map(nvmev_iova_full, NVMEV_IOVA_SHIFT, 0, memory,
			IOMMU_READ | IOMMU_WRITE);
	if (err)
		goto free;
	err = bus_register_notifier(&pci_bus_type, &nvmev_iova_notifier);
	if (err)
		goto free;
	err = register_kprobe(&nvmev_iova_probe);
	if (err)
		goto unregister;
	return 0;

unregister:
	bus_unregister_notifier(&pci_bus_type, &nvmev_iova_notifier);
free:
	nvmev_iova_free();
	return err;
}

static void __exit nvmev_iova_exit(void)
{
	unregister_kprobe(&nvmev_iova_probe);
	bus_unregister_notifier(&pci_bus_type, &nvmev_iova_notifier);
	iommu_unmap(nvmev_iova_full, NVMEV_IOVA_SHIFT, memory);
	nvmev_iova_free();
}

module_init(nvmev_iova_init);
module_exit(nvmev_iova_exit);

MODULE_DESCRIPTION("An IOMMU's addresses for nvmev's device");
MODULE_LICENSE("GPL");
