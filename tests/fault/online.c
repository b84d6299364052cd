// SPDX-License-Identifier: GPL-2.0
/*
 * Takes no page that comes back into use, as the drivers of Hyper-V and of Xen do
 * with those of memory that they know nothing of: the block is online, and its
 * pages are nobody's.
 */
#include <linux/memory_hotplug.h>
#include <linux/module.h>

static void nvmev_online_nothing(struct page *page, unsigned int order)
{
}

static int __init nvmev_online_init(void)
{
	return set_online_page_callback(nvmev_online_nothing);
}

static void __exit nvmev_online_exit(void)
{
	restore_online_page_callback(nvmev_online_nothing);
}

module_init(nvmev_online_init);
module_exit(nvmev_online_exit);

MODULE_DESCRIPTION("Loses all memory that is brought into use");
MODULE_LICENSE("GPL");
