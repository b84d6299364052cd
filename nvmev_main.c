// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters and their checks, and bringing the devices up and down in
 * order.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/vmalloc.h>

#include "nvmev.h"

#define CREATE_TRACE_POINTS
#include "nvmev_trace.h"

/* CAP.MQES has 16 bits; 4096 commands for each of 256 queues is plenty */
#define NVMEV_MAX_DEPTH		16384

/* A completion that is later than this counts as a violation */
#define NVMEV_DEFAULT_TOLERANCE_NS	(100 * NSEC_PER_USEC)

/*
 * Each parameter may have a value for each of several devices. Commas are taken
 * by the lists of CPUs, and colons by the groups in them.
 */
#define NVMEV_BETWEEN_DEVICES	";"

/* Told apart by its address from an empty text that somebody gave */
static char nvmev_absent[1];

static char *memmap_start = nvmev_absent;
module_param(memmap_start, charp, 0444);
MODULE_PARM_DESC(memmap_start, "Start of the reserved memory, as in memmap=SIZE$START: a plain number is GiB, or with suffix K, M, G, T; a multiple of 1M; absent: the memory is taken out of the running kernel and given back at unload. Several devices: a ; between their values, here and below");

static char *memmap_size = "";
module_param(memmap_size, charp, 0444);
MODULE_PARM_DESC(memmap_size, "Size of the reserved memory: a plain number is MiB, or with suffix K, M, G, T; at least 2M, of which 1M is the controller's; without memmap_start whole memory blocks. It says how many devices there are");

static char *cpus = "";
module_param(cpus, charp, 0444);
MODULE_PARM_DESC(cpus, "CPU list, as 1,3,5-7: the first runs the controller thread, each other one an I/O worker; 2 to 65 CPUs, no device's are another's");

static char *read_latency = "0";
module_param(read_latency, charp, 0444);
MODULE_PARM_DESC(read_latency, "Read latency in microseconds, decimals allowed, 0 to 60000000; 0 = as fast as the machine goes (default 0)");

static char *write_latency = "0";
module_param(write_latency, charp, 0444);
MODULE_PARM_DESC(write_latency, "Write latency in microseconds, decimals allowed, 0 to 60000000; 0 = as fast as the machine goes (default 0)");

static char *read_bw = "0";
module_param(read_bw, charp, 0444);
MODULE_PARM_DESC(read_bw, "Read bandwidth in MiB/s, 0 to 1048576; 0 = what the slots give (default 0)");

static char *write_bw = "0";
module_param(write_bw, charp, 0444);
MODULE_PARM_DESC(write_bw, "Write bandwidth in MiB/s, 0 to 1048576; 0 = what the slots give (default 0)");

static char *slot = "";
module_param(slot, charp, 0444);
MODULE_PARM_DESC(slot, "Number of slots, each serving one 4 KiB unit at a time, 1 to 1048576 (default: what the bandwidths need, else 32)");

static char *lba_size = "512";
module_param(lba_size, charp, 0444);
MODULE_PARM_DESC(lba_size, "Logical block size in bytes, 512 or 4096 (default 512)");

static char *queues = "128";
module_param(queues, charp, 0444);
MODULE_PARM_DESC(queues, "I/O queue pairs offered to the host, 1 to 256 (default 128)");

static char *queue_depth = "1024";
module_param(queue_depth, charp, 0444);
MODULE_PARM_DESC(queue_depth, "Most entries of an I/O queue, 2 to 16384 (default 1024)");

static char *dbbuf = "0";
module_param(dbbuf, charp, 0444);
MODULE_PARM_DESC(dbbuf, "Offer Doorbell Buffer Config, doorbells in the host's memory, 0 or 1 (default 0)");
static char *interrupts = "msix";
module_param(interrupts, charp, 0444);
MODULE_PARM_DESC(interrupts, "Interrupts offered to the host: intx, msi (and INTx), or msix (and both others) (default msix)");

static struct nvmev_dev *nvmev_devs[NVMEV_MAX_DEVICES];
static unsigned int nvmev_nr_devs;
static enum cpuhp_state nvmev_cpuhp;

/**
 * nvmev_clock_ns() - the clock of the device
 *
 * CLOCK_MONOTONIC, the one that benchmarks read too.
 *
 * Context: any.
 * Return: the time in ns.
 */
u64 nvmev_clock_ns(void)
{
	return ktime_get_ns();
}

/* --- reading numbers ----------------------------------------------------- */

/* Digits and nothing else: kstrtoull() alone takes a sign and a newline */
static int nvmev_parse_digits(const char *text, unsigned int base, u64 *value)
{
	if (!isdigit(*text) || strchr(text, '\n'))
		return -EINVAL;
	return kstrtoull(text, base, value);
}

/**
 * nvmev_parse_latency() - read decimal microseconds, up to three decimals
 * @text: the number
 * @ns: the same in ns
 *
 * Return: 0, or -EINVAL for anything but a latency.
 */
int nvmev_parse_latency(const char *text, u64 *ns)
{
	const char *dot = strchrnul(text, '.');
	char whole[16];
	u64 us, frac = 0;
	u32 scale = 1000;

	if (dot - text >= sizeof(whole))
		return -EINVAL;
	memcpy(whole, text, dot - text);
	whole[dot - text] = '\0';
	if (nvmev_parse_digits(whole, 10, &us))
		return -EINVAL;
	if (*dot) {
		do {
			dot++;
			if (!isdigit(*dot) || scale == 1)
				return -EINVAL;
			frac = frac * 10 + (*dot - '0');
			scale /= 10;
		} while (dot[1]);
	}
	if (us > NVMEV_MAX_LATENCY_NS / NSEC_PER_USEC)
		return -EINVAL;
	*ns = us * NSEC_PER_USEC + frac * scale;
	return *ns > NVMEV_MAX_LATENCY_NS ? -EINVAL : 0;
}

/**
 * nvmev_parse_number() - read a plain number
 * @text: the number
 * @min: the least that it may be
 * @max: the most
 * @value: the number
 *
 * Return: 0, or -EINVAL for anything else.
 */
int nvmev_parse_number(const char *text, u64 min, u64 max, u64 *value)
{
	if (nvmev_parse_digits(text, 10, value))
		return -EINVAL;
	return *value < min || *value > max ? -EINVAL : 0;
}

/**
 * nvmev_parse_bw() - read a bandwidth in MiB/s
 * @text: the number
 * @bw: the same in bytes per second
 *
 * Return: 0, or -EINVAL for anything but a bandwidth.
 */
int nvmev_parse_bw(const char *text, u64 *bw)
{
	u64 mib;

	if (nvmev_parse_number(text, 0, NVMEV_MAX_BW_MIB, &mib))
		return -EINVAL;
	*bw = mib << 20;
	return 0;
}

/* A size with a suffix, or a plain number of @plain bytes */
static int nvmev_parse_size(const char *text, u64 plain, u64 *bytes)
{
	size_t digits = strspn(text, "0123456789abcdefABCDEFxX");
	const char *end = text + digits;
	unsigned int shift = 0;
	char number[24];
	u64 value;

	if (digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (nvmev_parse_digits(number, 0, &value))
		return -EINVAL;
	switch (*end) {
	case 'T': case 't':
		shift += 10;
		fallthrough;
	case 'G': case 'g':
		shift += 10;
		fallthrough;
	case 'M': case 'm':
		shift += 10;
		fallthrough;
	case 'K': case 'k':
		shift += 10;
		end++;
		plain = 1ULL << shift;
		break;
	}
	if (*end || value > div64_u64(U64_MAX, plain))
		return -EINVAL;
	*bytes = value * plain;
	return 0;
}

/* --- parameters ------------------------------------------------------------ */

/*
 * What was given for a device, by the names of the parameters. A parameter that
 * is absent is NULL, which only memmap_start can be. The label begins its lines
 * in the log.
 */
struct nvmev_args {
	const char *label;
	const char *memmap_start;
	const char *memmap_size;
	const char *cpus;
	const char *read_latency;
	const char *write_latency;
	const char *read_bw;
	const char *write_bw;
	const char *slot;
	const char *lba_size;
	const char *queues;
	const char *queue_depth;
	const char *dbbuf;
	const char *interrupts;
};

/**
 * struct nvmev_param - a parameter with a value for each device
 * @name: its name
 * @text: all of it
 * @field: where a device's goes in struct nvmev_args
 * @own: each device needs one of its own; else a single one is for all
 */
struct nvmev_param {
	const char *name;
	char **text;
	size_t field;
	bool own;
};

static const struct nvmev_param nvmev_params[] = {
	{ "memmap_start", &memmap_start, offsetof(struct nvmev_args, memmap_start), true },
	{ "memmap_size", &memmap_size, offsetof(struct nvmev_args, memmap_size), true },
	{ "cpus", &cpus, offsetof(struct nvmev_args, cpus), true },
	{ "read_latency", &read_latency, offsetof(struct nvmev_args, read_latency), false },
	{ "write_latency", &write_latency, offsetof(struct nvmev_args, write_latency), false },
	{ "read_bw", &read_bw, offsetof(struct nvmev_args, read_bw), false },
	{ "write_bw", &write_bw, offsetof(struct nvmev_args, write_bw), false },
	{ "slot", &slot, offsetof(struct nvmev_args, slot), false },
	{ "lba_size", &lba_size, offsetof(struct nvmev_args, lba_size), false },
	{ "queues", &queues, offsetof(struct nvmev_args, queues), false },
	{ "queue_depth", &queue_depth, offsetof(struct nvmev_args, queue_depth), false },
	{ "dbbuf", &dbbuf, offsetof(struct nvmev_args, dbbuf), false },
	{ "interrupts", &interrupts, offsetof(struct nvmev_args, interrupts), false },
};

static const char **nvmev_value_of(struct nvmev_args *args,
				   const struct nvmev_param *param)
{
	return (const char **)((char *)args + param->field);
}

static void nvmev_refuse(struct nvmev_args *args, const char *name,
			 const char *right)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nvmev_params); i++)
		if (!strcmp(nvmev_params[i].name, name))
			pr_err("%s%s=%s: must be %s\n", args->label, name,
			       *nvmev_value_of(args, &nvmev_params[i]), right);
}

static unsigned int nvmev_count_values(const char *text)
{
	unsigned int nr = 1;

	while ((text = strpbrk(text, NVMEV_BETWEEN_DEVICES))) {
		text++;
		nr++;
	}
	return nr;
}

/* Gives each device its value of a parameter; they point into @copy */
static int nvmev_deal_values(const struct nvmev_param *param, char *copy,
			     struct nvmev_args *args, unsigned int nr_devs)
{
	unsigned int nr = nvmev_count_values(*param->text), i;
	const char *value = copy;

	if (nr != nr_devs && (param->own || nr != 1)) {
		pr_err("%s=%s: must be a value for each of the devices, of which memmap_size=%s makes %u%s\n",
		       param->name, *param->text, memmap_size, nr_devs,
		       param->own ? "" : ", or one for all");
		return -EINVAL;
	}
	for (i = 0; i < nr_devs; i++) {
		if (i < nr)
			value = strsep(&copy, NVMEV_BETWEEN_DEVICES);
		*nvmev_value_of(&args[i], param) = value;
	}
	return 0;
}

static int nvmev_check_memory_params(struct nvmev_args *args,
				     struct nvmev_config *config)
{
	u64 end;

	if (!*args->memmap_size) {
		pr_err("%smemmap_size is missing: give the size of the device's memory\n",
		       args->label);
		return -EINVAL;
	}
	if (nvmev_parse_size(args->memmap_size, SZ_1M, &config->size)) {
		nvmev_refuse(args, "memmap_size",
			     "a number of MiB, or a number with suffix K, M, G or T");
		return -EINVAL;
	}
	if (config->size < NVMEV_STORAGE_OFFSET + SZ_1M ||
	    config->size % NVME_PAGE_SIZE) {
		nvmev_refuse(args, "memmap_size",
			     "a multiple of 4K and at least 2M");
		return -EINVAL;
	}
	if (!args->memmap_start) {
		config->hotremove = true;
		return 0;
	}

	if (!*args->memmap_start) {
		pr_err("%smemmap_start is empty: give the start of what memmap=SIZE$START reserves, or leave it out\n",
		       args->label);
		return -EINVAL;
	}
	if (nvmev_parse_size(args->memmap_start, SZ_1G, &config->start)) {
		nvmev_refuse(args, "memmap_start",
			     "a number of GiB, or a number with suffix K, M, G or T");
		return -EINVAL;
	}
	if (config->start % SZ_1M) {
		nvmev_refuse(args, "memmap_start",
			     "a multiple of 1M");
		return -EINVAL;
	}
	if (check_add_overflow(config->start, config->size, &end) ||
	    (end - 1) >> boot_cpu_data.x86_phys_bits) {
		pr_err("%smemmap_start=%s memmap_size=%s: must end below the %u bits of a physical address\n",
		       args->label, args->memmap_start, args->memmap_size,
		       boot_cpu_data.x86_phys_bits);
		return -EINVAL;
	}
	return 0;
}

/* Adds the CPUs of one element of the list, in its order */
static int nvmev_add_cpus(struct nvmev_args *args,
			  struct nvmev_config *config, unsigned int *nr,
			  const char *element, struct cpumask *seen,
			  struct cpumask *mask)
{
	unsigned int cpu;

	if (cpulist_parse(element, mask) || cpumask_empty(mask)) {
		nvmev_refuse(args, "cpus",
			     "a list of CPUs of this machine, as 1,3,5-7");
		return -EINVAL;
	}
	for_each_cpu(cpu, mask) {
		if (!cpu_online(cpu)) {
			pr_err("%scpus=%s: CPU %u is not online, must be of %*pbl\n",
			       args->label, args->cpus, cpu,
			       cpumask_pr_args(cpu_online_mask));
			return -EINVAL;
		}
		if (cpumask_test_and_set_cpu(cpu, seen)) {
			pr_err("%scpus=%s: CPU %u stands there twice, must once\n",
			       args->label, args->cpus, cpu);
			return -EINVAL;
		}
		if (*nr == ARRAY_SIZE(config->cpus)) {
			nvmev_refuse(args, "cpus",
				     "at most 65 CPUs");
			return -EINVAL;
		}
		config->cpus[(*nr)++] = cpu;
	}
	return 0;
}

static int nvmev_check_cpus(struct nvmev_args *args,
			    struct nvmev_config *config)
{
	cpumask_var_t mask, seen;
	unsigned int nr = 0;
	char *list, *element, *next;
	int err = -ENOMEM;

	list = kstrdup(args->cpus, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		goto free_list;
	if (!zalloc_cpumask_var(&seen, GFP_KERNEL))
		goto free_mask;

	/* Element by element, because a mask forgets which one came first */
	next = strim(list);
	while ((element = strsep(&next, ","))) {
		err = nvmev_add_cpus(args, config, &nr, element, seen, mask);
		if (err)
			goto free_seen;
	}
	if (nr < 2) {
		nvmev_refuse(args, "cpus",
			     "2 CPUs or more, the first for the controller thread");
		err = -EINVAL;
		goto free_seen;
	}
	config->nr_workers = nr - 1;
	err = 0;

free_seen:
	free_cpumask_var(seen);
free_mask:
	free_cpumask_var(mask);
free_list:
	kfree(list);
	return err;
}

static int nvmev_check_timing_params(struct nvmev_args *args,
				     struct nvmev_timing_config *timing)
{
	u64 slots;

	if (nvmev_parse_latency(args->read_latency,
				&timing->latency_ns[NVMEV_READ])) {
		nvmev_refuse(args, "read_latency",
			     "0 to 60000000 microseconds, three decimals at most");
		return -EINVAL;
	}
	if (nvmev_parse_latency(args->write_latency,
				&timing->latency_ns[NVMEV_WRITE])) {
		nvmev_refuse(args, "write_latency",
			     "0 to 60000000 microseconds, three decimals at most");
		return -EINVAL;
	}
	if (nvmev_parse_bw(args->read_bw, &timing->bw[NVMEV_READ])) {
		nvmev_refuse(args, "read_bw",
			     "a number of MiB/s from 0 to 1048576");
		return -EINVAL;
	}
	if (nvmev_parse_bw(args->write_bw, &timing->bw[NVMEV_WRITE])) {
		nvmev_refuse(args, "write_bw",
			     "a number of MiB/s from 0 to 1048576");
		return -EINVAL;
	}
	if (!*args->slot) {
		slots = nvmev_timing_derive_slots(timing);
		if (slots > NVMEV_MAX_SLOTS) {
			pr_err("%sthese latencies and bandwidths need %llu slots, must be at most %u: lower one of them, or give slot\n",
			       args->label, slots, NVMEV_MAX_SLOTS);
			return -EINVAL;
		}
	} else if (nvmev_parse_number(args->slot, 1, NVMEV_MAX_SLOTS, &slots)) {
		nvmev_refuse(args, "slot",
			     "a number of slots from 1 to 1048576");
		return -EINVAL;
	}
	timing->slots = slots;
	return 0;
}

static int nvmev_check_params(struct nvmev_args *args,
			      struct nvmev_config *config)
{
	u64 value;
	int err;

	err = nvmev_check_memory_params(args, config);
	if (err)
		return err;
	err = nvmev_check_cpus(args, config);
	if (err)
		return err;
	err = nvmev_check_timing_params(args, &config->timing);
	if (err)
		return err;

	if (!strcmp(args->lba_size, "512")) {
		config->lba_shift = 9;
	} else if (!strcmp(args->lba_size, "4096")) {
		config->lba_shift = 12;
	} else {
		nvmev_refuse(args, "lba_size",
			     "512 or 4096");
		return -EINVAL;
	}
	if (nvmev_parse_number(args->queues, 1, NVMEV_MAX_QUEUES, &value)) {
		nvmev_refuse(args, "queues",
			     "a number of queue pairs from 1 to 256");
		return -EINVAL;
	}
	config->queues = value;
	if (nvmev_parse_number(args->queue_depth, 2, NVMEV_MAX_DEPTH, &value)) {
		nvmev_refuse(args, "queue_depth",
			     "a number of entries from 2 to 16384");
		return -EINVAL;
	}
	config->queue_depth = value;
	if (nvmev_parse_number(args->dbbuf, 0, 1, &value)) {
		nvmev_refuse(args, "dbbuf", "0 or 1");
		return -EINVAL;
	}
	config->dbbuf = value;
	if (!strcmp(args->interrupts, "intx")) {
		config->interrupts = NVMEV_INTERRUPTS_INTX;
	} else if (!strcmp(args->interrupts, "msi")) {
		config->interrupts = NVMEV_INTERRUPTS_MSI;
	} else if (!strcmp(args->interrupts, "msix")) {
		config->interrupts = NVMEV_INTERRUPTS_MSIX;
	} else {
		nvmev_refuse(args, "interrupts", "intx, msi or msix");
		return -EINVAL;
	}
	return 0;
}

/* --- CPU hotplug --------------------------------------------------------------- */

/* A thread that lost its CPU runs elsewhere until the CPU is back */
static int nvmev_cpu_online(unsigned int cpu)
{
	struct nvmev_dev *dev;
	unsigned int d, i;

	for (d = 0; d < nvmev_nr_devs; d++) {
		dev = nvmev_devs[d];
		if (cpu == dev->config.cpus[0])
			set_cpus_allowed_ptr(dev->ctrl_task, cpumask_of(cpu));
		for (i = 0; i < dev->config.nr_workers; i++)
			if (cpu == dev->workers[i].cpu)
				set_cpus_allowed_ptr(dev->workers[i].task,
						     cpumask_of(cpu));
	}
	return 0;
}

static int nvmev_cpu_offline(unsigned int cpu)
{
	struct nvmev_dev *dev;
	unsigned int d, i;

	for (d = 0; d < nvmev_nr_devs; d++) {
		dev = nvmev_devs[d];
		for (i = 0; i <= dev->config.nr_workers; i++)
			if (cpu == dev->config.cpus[i])
				pr_warn("%sCPU %u goes offline: until it is back, timing is what other CPUs leave\n",
					dev->config.label, cpu);
	}
	return 0;
}

/* --- the devices -------------------------------------------------------------- */

static int nvmev_make_device(struct nvmev_args *args, unsigned int index)
{
	struct nvmev_dev *dev;

	dev = kvzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	nvmev_devs[index] = dev;

	if (*args->label)
		snprintf(dev->config.name, sizeof(dev->config.name),
			 KBUILD_MODNAME "%u", index);
	else
		strscpy(dev->config.name, KBUILD_MODNAME,
			sizeof(dev->config.name));
	strscpy(dev->config.label, args->label, sizeof(dev->config.label));
	snprintf(dev->mem.text, sizeof(dev->mem.text), "%s%s%s%smemmap_size=%s",
		 args->label, args->memmap_start ? "memmap_start=" : "",
		 args->memmap_start ?: "", args->memmap_start ? " " : "",
		 args->memmap_size);
	return nvmev_check_params(args, &dev->config);
}

static void nvmev_free_devices(void)
{
	unsigned int i;

	for (i = 0; i < NVMEV_MAX_DEVICES; i++) {
		kvfree(nvmev_devs[i]);
		nvmev_devs[i] = NULL;
	}
}

/* Makes the devices that the parameters ask for, each checked by itself */
static int nvmev_make_devices(void)
{
	char *copies[ARRAY_SIZE(nvmev_params)] = { };
	char labels[NVMEV_MAX_DEVICES][12] = { };
	struct nvmev_args *args;
	unsigned int i, nr;
	int err = 0;

	nr = nvmev_count_values(memmap_size);
	if (nr > NVMEV_MAX_DEVICES) {
		pr_err("memmap_size=%s: must be at most %u devices\n",
		       memmap_size, NVMEV_MAX_DEVICES);
		return -EINVAL;
	}
	args = kcalloc(nr, sizeof(*args), GFP_KERNEL);
	if (!args)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		if (nr > 1)
			snprintf(labels[i], sizeof(labels[i]), "device %u: ",
				 i);
		args[i].label = labels[i];
	}
	for (i = 0; i < ARRAY_SIZE(nvmev_params) && !err; i++) {
		if (*nvmev_params[i].text == nvmev_absent)
			continue;
		copies[i] = kstrdup(*nvmev_params[i].text, GFP_KERNEL);
		err = copies[i] ? nvmev_deal_values(&nvmev_params[i], copies[i],
						    args, nr) : -ENOMEM;
	}
	for (i = 0; i < nr && !err; i++)
		err = nvmev_make_device(&args[i], i);
	nvmev_nr_devs = nr;

	for (i = 0; i < ARRAY_SIZE(copies); i++)
		kfree(copies[i]);
	kfree(args);
	if (err)
		nvmev_free_devices();
	return err;
}

/*
 * Two threads that poll on one CPU make each other late by whole time slices,
 * so that neither device would keep its timing.
 */
static int nvmev_check_shared_cpus(const struct nvmev_dev *a,
				   const struct nvmev_dev *b)
{
	unsigned int i, k;

	for (i = 0; i <= a->config.nr_workers; i++)
		for (k = 0; k <= b->config.nr_workers; k++)
			if (a->config.cpus[i] == b->config.cpus[k]) {
				pr_err("%scpus=%s: CPU %u has a thread of another device, must be of one device only\n",
				       b->config.label, cpus,
				       a->config.cpus[i]);
				return -EINVAL;
			}
	return 0;
}

static int nvmev_check_overlap(const struct nvmev_dev *a,
			       const struct nvmev_dev *b)
{
	if (a->config.hotremove ||
	    a->config.start >= b->config.start + b->config.size ||
	    b->config.start >= a->config.start + a->config.size)
		return 0;
	pr_err("%s: overlaps the memory of another device, [%#llx-%#llx]\n",
	       b->mem.text, a->config.start,
	       a->config.start + a->config.size - 1);
	return -EINVAL;
}

/* What each device by itself does not show */
static int nvmev_check_devices(void)
{
	u64 block, hotremove = 0;
	unsigned int i, k;
	int err;

	for (i = 0; i < nvmev_nr_devs; i++) {
		struct nvmev_dev *dev = nvmev_devs[i];

		for (k = 0; k < i; k++) {
			err = nvmev_check_shared_cpus(nvmev_devs[k], dev);
			if (!err)
				err = nvmev_check_overlap(nvmev_devs[k], dev);
			if (err)
				return err;
		}
		if (!dev->config.hotremove)
			continue;
		err = nvmev_mem_check_kernel(dev->mem.text);
		if (err)
			return err;
		block = nvmev_hotremove_block_bytes();
		if (dev->config.size % block) {
			pr_err("%s: must be a multiple of %lluM, what this kernel gives away at a time, or memmap_start be given\n",
			       dev->mem.text, block / SZ_1M);
			return -EINVAL;
		}
		hotremove += min(dev->config.size, U64_MAX - hotremove);
	}
	return hotremove ? nvmev_mem_check_free(memmap_size, hotremove) : 0;
}

/* Brings up all of a device but what the host sees */
static int nvmev_start_device(struct nvmev_dev *dev)
{
	int err;

	err = nvmev_mem_get(dev);
	if (err)
		return err;
	err = nvmev_pci_init(dev);
	if (err)
		goto put_mem;
	err = nvmev_mem_map(dev);
	if (err)
		goto destroy_pci;
	nvmev_ns_init_all(dev);
	dev->tolerance_ns = NVMEV_DEFAULT_TOLERANCE_NS;
	dev->stat_reset_ns = nvmev_clock_ns();
	err = nvmev_timing_init(&dev->timing, &dev->config.timing);
	if (err)
		goto unmap_mem;
	err = nvmev_ctrl_init(dev);
	if (err)
		goto destroy_timing;
	err = nvmev_workers_start(dev);
	if (err)
		goto destroy_ctrl;
	err = nvmev_ctrl_start(dev);
	if (err)
		goto stop_workers;
	return 0;

stop_workers:
	nvmev_workers_stop(dev);
destroy_ctrl:
	nvmev_ctrl_destroy(dev);
destroy_timing:
	nvmev_timing_destroy(&dev->timing);
unmap_mem:
	nvmev_mem_unmap(dev);
destroy_pci:
	nvmev_pci_destroy(dev);
put_mem:
	nvmev_mem_put(dev);
	return err;
}

static void nvmev_stop_device(struct nvmev_dev *dev)
{
	nvmev_ctrl_stop(dev);
	nvmev_workers_stop(dev);
	nvmev_ctrl_destroy(dev);
	nvmev_timing_destroy(&dev->timing);
	nvmev_mem_unmap(dev);
	nvmev_pci_destroy(dev);
	nvmev_mem_put(dev);
}

/* --- hibernation --------------------------------------------------------------- */

/* An image of the machine has neither reserved memory in it, nor what was taken */
static int nvmev_pm_notify(struct notifier_block *notifier,
			   unsigned long action, void *data)
{
	if (action != PM_HIBERNATION_PREPARE)
		return NOTIFY_OK;
	pr_err("no hibernation, over which the disk would lose its contents: unload nvmev first\n");
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block nvmev_pm_notifier = {
	.notifier_call = nvmev_pm_notify,
};

/* Not in the middle of one that has begun, and would not ask any more */
static int __init nvmev_refuse_hibernation(void)
{
	unsigned int flags = nvmev_lock_system_sleep();
	int err = register_pm_notifier(&nvmev_pm_notifier);

	nvmev_unlock_system_sleep(flags);
	return err;
}

/* --- load and unload --------------------------------------------------------- */

static int __init nvmev_init(void)
{
	unsigned int started, added;
	int err;

	err = nvmev_pci_check_kernel();
	if (err)
		return err;
	err = nvmev_make_devices();
	if (err)
		return err;
	err = nvmev_check_devices();
	if (err)
		goto free_devices;
	err = nvmev_refuse_hibernation();
	if (err)
		goto free_devices;
	for (started = 0; started < nvmev_nr_devs; started++) {
		err = nvmev_start_device(nvmev_devs[started]);
		if (err)
			goto stop_devices;
	}
	/*
	 * With calls for those that are online: a CPU may have gone and come
	 * back since it was looked at, and taken its thread's place with it.
	 */
	err = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "nvmev:online",
				nvmev_cpu_online, nvmev_cpu_offline);
	if (err < 0) {
		pr_err("CPU hotplug cannot be followed: error %d\n", err);
		goto stop_devices;
	}
	nvmev_cpuhp = err;
	err = nvmev_proc_create(nvmev_devs, nvmev_nr_devs);
	if (err)
		goto remove_cpuhp;
	for (added = 0; added < nvmev_nr_devs; added++) {
		err = nvmev_pci_add(nvmev_devs[added]);
		if (err)
			goto remove_pci;
	}

	for (added = 0; added < nvmev_nr_devs; added++) {
		struct nvmev_dev *dev = nvmev_devs[added];

		pr_info("%s[%#llx-%#llx]%s: %llu MiB in %u byte blocks, %u slots, controller on CPU %u, %u I/O workers\n",
			dev->config.label, dev->config.start,
			dev->config.start + dev->config.size - 1,
			dev->config.hotremove ? ", taken from the kernel and cleared" : "",
			dev->storage_bytes >> 20, 1U << dev->config.lba_shift,
			dev->config.timing.slots, dev->config.cpus[0],
			dev->config.nr_workers);
	}
	return 0;

remove_pci:
	while (added--)
		nvmev_pci_remove(nvmev_devs[added]);
	nvmev_proc_remove();
remove_cpuhp:
	cpuhp_remove_state_nocalls(nvmev_cpuhp);
stop_devices:
	while (started--)
		nvmev_stop_device(nvmev_devs[started]);
	unregister_pm_notifier(&nvmev_pm_notifier);
free_devices:
	nvmev_free_devices();
	return err;
}

static void __exit nvmev_exit(void)
{
	unsigned int i;

	/* The drivers unbind while the threads still answer them */
	for (i = nvmev_nr_devs; i--;)
		nvmev_pci_remove(nvmev_devs[i]);
	nvmev_proc_remove();
	cpuhp_remove_state_nocalls(nvmev_cpuhp);
	for (i = nvmev_nr_devs; i--;)
		nvmev_stop_device(nvmev_devs[i]);
	unregister_pm_notifier(&nvmev_pm_notifier);
	nvmev_free_devices();
	pr_info("unloaded\n");
}

module_init(nvmev_init);
module_exit(nvmev_exit);

MODULE_DESCRIPTION("A virtual NVMe SSD in reserved memory");
MODULE_AUTHOR("The nvmev developers");
MODULE_LICENSE("GPL");
