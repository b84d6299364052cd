// SPDX-License-Identifier: GPL-2.0
/*
 * Root buses with nothing on them, each in the PCI domain that is asked for: a
 * machine that has several, as those with VMD, Hyper-V or many host bridges.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <asm/pci.h>

#include "nvmev_compat.h"

#define NVMEV_DOMAIN_MAX	16

struct nvmev_domain {
	struct pci_sysdata sysdata;
	struct resource busn;
	struct pci_bus *bus;
};

static int domains[NVMEV_DOMAIN_MAX];
static unsigned int nr;
module_param_array(domains, int, &nr, 0444);
MODULE_PARM_DESC(domains, "The PCI domains, up to 16");

static struct nvmev_domain nvmev_domains[NVMEV_DOMAIN_MAX];

static int nvmev_domain_read(struct pci_bus *bus, unsigned int devfn, int where,
			     int size, u32 *val)
{
	*val = ~0;
	return PCIBIOS_DEVICE_NOT_FOUND;
}

static int nvmev_domain_write(struct pci_bus *bus, unsigned int devfn,
			      int where, int size, u32 val)
{
	return PCIBIOS_DEVICE_NOT_FOUND;
}

static struct pci_ops nvmev_domain_ops = {
	.read = nvmev_domain_read,
	.write = nvmev_domain_write,
};

static int nvmev_domain_add(struct nvmev_domain *domain, int number)
{
	LIST_HEAD(resources);

	domain->sysdata.domain = number;
	domain->sysdata.node = NUMA_NO_NODE;
	domain->busn.name = KBUILD_MODNAME;
	domain->busn.flags = IORESOURCE_BUS;
	pci_add_resource(&resources, &domain->busn);
	domain->bus = pci_create_root_bus(NULL, 0, &nvmev_domain_ops,
					  &domain->sysdata, &resources);
	if (!domain->bus) {
		pci_free_resource_list(&resources);
		pr_err("domain %#x has such a bus\n", number);
		return -EEXIST;
	}
	pci_scan_child_bus(domain->bus);
	pci_bus_add_devices(domain->bus);
	return 0;
}

static void nvmev_domain_remove_all(void)
{
	unsigned int i;

	for (i = 0; i < nr && nvmev_domains[i].bus; i++) {
		pci_stop_root_bus(nvmev_domains[i].bus);
		nvmev_pci_remove_root_bus(nvmev_domains[i].bus);
	}
}

static int __init nvmev_domain_init(void)
{
	unsigned int i;
	int err = 0;

	pci_lock_rescan_remove();
	for (i = 0; i < nr && !err; i++)
		err = nvmev_domain_add(&nvmev_domains[i], domains[i]);
	if (err)
		nvmev_domain_remove_all();
	pci_unlock_rescan_remove();
	return err;
}

static void __exit nvmev_domain_exit(void)
{
	pci_lock_rescan_remove();
	nvmev_domain_remove_all();
	pci_unlock_rescan_remove();
}

module_init(nvmev_domain_init);
module_exit(nvmev_domain_exit);

MODULE_DESCRIPTION("Empty PCI root buses in given domains");
MODULE_LICENSE("GPL");
