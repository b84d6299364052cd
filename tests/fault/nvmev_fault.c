// SPDX-License-Identifier: GPL-2.0
/*
 * Makes one call that nvmev makes while it is loaded or unloaded fail: the @nth
 * of those to the functions below, counted since @nth was written.
 *
 * That is more than what failslab does, which knows allocations alone, and
 * less: what fails is what the module asked for itself, and not something on the
 * way of the kernel, whose own error paths are not what is tested.
 *
 * A kprobe at the entry of each function looks who calls.
 *
 * tests/072 and 075 use it. 072 demands that each function that nvmev.ko imports is
 * here or, with the reason, in the file not-injected.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "skip.h"

struct nvmev_fault {
	const char *name;
	/* What it returns when it fails */
	long value;
	bool there;
	struct kprobe probe;
};

#define FAULT(function, result) \
	{ .name = #function, .value = (result) }

/* Of those that are not there one has another name on another kernel */
static struct nvmev_fault nvmev_faults[] = {
	FAULT(__kmalloc, 0),
	FAULT(__kmalloc_noprof, 0),
	FAULT(kmalloc_trace, 0),
	FAULT(kmem_cache_alloc_trace, 0),
	FAULT(__kmalloc_cache_noprof, 0),
	FAULT(kvmalloc_node, 0),
	FAULT(__kvmalloc_node_noprof, 0),
	FAULT(kstrdup, 0),
	FAULT(kstrdup_noprof, 0),
	FAULT(get_zeroed_page, 0),
	FAULT(get_zeroed_page_noprof, 0),
	FAULT(alloc_cpumask_var_node, 0),
	FAULT(zalloc_cpumask_var, 0),
	FAULT(bitmap_parselist, -ENOMEM),
	FAULT(__request_region, 0),
	FAULT(insert_resource, -EBUSY),
	FAULT(memremap, 0),
	FAULT(bus_register_notifier, -ENOMEM),
	FAULT(pci_create_root_bus, 0),
	FAULT(pci_claim_resource, -EBUSY),
	/* These say no more of it than that something is missing afterwards */
	FAULT(pci_add_resource, 0),
	FAULT(pci_scan_child_bus, 0),
	FAULT(__irq_domain_alloc_fwnode, 0),
	FAULT(irq_domain_create_hierarchy, 0),
	FAULT(irq_domain_instantiate, -ENOMEM),
	FAULT(irq_create_fwspec_mapping, 0),
	FAULT(irq_domain_alloc_irqs_parent, -ENOSPC),
	FAULT(kthread_create_on_node, -ENOMEM),
	FAULT(__cpuhp_setup_state, -ENOSPC),
	FAULT(register_pm_notifier, -ENOMEM),
	FAULT(proc_mkdir, 0),
	FAULT(proc_create_data, 0),
	FAULT(offline_and_remove_memory, -EBUSY),
	FAULT(add_memory, -ENOMEM),
	FAULT(register_memory_notifier, -ENOMEM),
	FAULT(set_memory_uc, -ENOMEM),
	FAULT(set_memory_wb, -ENOMEM),
	/* As if the time were over */
	FAULT(wait_for_completion_killable_timeout, 0),
	FAULT(filp_open, -ENOENT),
	FAULT(kernel_read, -EIO),
	FAULT(kernel_write, -EIO),
};

static unsigned int seen, nth;
static char only[64];
static const char *failed = "";
static struct module *nvmev_module;

/*
 * The task that loads a module or unloads it, and the thread that nvmev has do a
 * part of it
 */
static bool nvmev_fault_is_load(void)
{
	return !strcmp(current->comm, "insmod") ||
	       !strcmp(current->comm, "rmmod") ||
	       !strcmp(current->comm, "nvmev/mem");
}

/* The two take turns, and no others load a module, so this is no race */
static int nvmev_fault_pre(struct kprobe *probe, struct pt_regs *regs)
{
	const struct nvmev_fault *fault =
		container_of(probe, struct nvmev_fault, probe);

	if (!nth || !nvmev_module || !nvmev_fault_is_load() ||
	    !within_module(nvmev_fault_caller(regs), nvmev_module) ||
	    (!sysfs_streq(only, "") && !sysfs_streq(only, fault->name)) ||
	    ++seen != nth)
		return 0;
	failed = fault->name;
	return nvmev_fault_skip(regs, fault->value);
}

NOKPROBE_SYMBOL(nvmev_fault_pre);

/* Where there is one the kernel lets a probe go on elsewhere */
static void nvmev_fault_post(struct kprobe *probe, struct pt_regs *regs,
			     unsigned long flags)
{
}

/* A load that fails is on its way out as well */
static int nvmev_fault_notify(struct notifier_block *nb, unsigned long state,
			      void *data)
{
	struct module *module = data;

	if (strcmp(module->name, "nvmev"))
		return NOTIFY_DONE;
	if (state == MODULE_STATE_COMING)
		nvmev_module = module;
	else if (state == MODULE_STATE_GOING)
		nvmev_module = NULL;
	return NOTIFY_OK;
}

static struct notifier_block nvmev_fault_notifier = {
	.notifier_call = nvmev_fault_notify,
};

static int nvmev_fault_set(const char *text, const struct kernel_param *param)
{
	int err = param_set_uint(text, param);

	seen = 0;
	failed = "";
	return err;
}

static const struct kernel_param_ops nvmev_fault_ops = {
	.set = nvmev_fault_set,
	.get = param_get_uint,
};

module_param_cb(nth, &nvmev_fault_ops, &nth, 0644);
MODULE_PARM_DESC(nth, "The call that fails, from 1; 0: none (default 0)");
module_param_string(only, only, sizeof(only), 0644);
MODULE_PARM_DESC(only, "The function whose calls are counted, empty for all (default empty)");
module_param(seen, uint, 0444);
MODULE_PARM_DESC(seen, "How many calls there were since nth was written");

static int nvmev_fault_get(char *buf, const struct kernel_param *param)
{
	return sysfs_emit(buf, "%s\n", failed);
}

static const struct kernel_param_ops nvmev_failed_ops = {
	.get = nvmev_fault_get,
};

module_param_cb(failed, &nvmev_failed_ops, NULL, 0444);
MODULE_PARM_DESC(failed, "The function that failed, empty when none did");

static void nvmev_fault_remove(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nvmev_faults); i++)
		if (nvmev_faults[i].there)
			unregister_kprobe(&nvmev_faults[i].probe);
}

static int __init nvmev_fault_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(nvmev_faults); i++) {
		struct nvmev_fault *fault = &nvmev_faults[i];

		fault->probe.symbol_name = fault->name;
		fault->probe.pre_handler = nvmev_fault_pre;
		fault->probe.post_handler = nvmev_fault_post;
		err = register_kprobe(&fault->probe);
		fault->there = !err;
		if (err && err != -ENOENT) {
			pr_err("no probe at %s: error %d\n", fault->name, err);
			nvmev_fault_remove();
			return err;
		}
	}
	err = register_module_notifier(&nvmev_fault_notifier);
	if (err)
		nvmev_fault_remove();
	return err;
}

static void __exit nvmev_fault_exit(void)
{
	unregister_module_notifier(&nvmev_fault_notifier);
	nvmev_fault_remove();
}

module_init(nvmev_fault_init);
module_exit(nvmev_fault_exit);

MODULE_DESCRIPTION("Makes calls of a module that is loaded fail");
MODULE_LICENSE("GPL");
