// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters and their checks, the reserved memory, /proc/nvmev, and
 * bringing the device up and down in order.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/ctype.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/e820/api.h>

#include "nvmev.h"
#include "nvmev_compat.h"

#define CREATE_TRACE_POINTS
#include "nvmev_trace.h"

/* CAP.MQES has 16 bits; 4096 commands for each of 256 queues is plenty */
#define NVMEV_MAX_DEPTH		16384

/* A completion that is later than this counts as a violation */
#define NVMEV_DEFAULT_TOLERANCE_NS	(100 * NSEC_PER_USEC)

static char *memmap_start = "";
module_param(memmap_start, charp, 0444);
MODULE_PARM_DESC(memmap_start, "Start of the reserved memory, as in memmap=SIZE$START: a plain number is GiB, or with suffix K, M, G, T; a multiple of 1M");

static char *memmap_size = "";
module_param(memmap_size, charp, 0444);
MODULE_PARM_DESC(memmap_size, "Size of the reserved memory: a plain number is MiB, or with suffix K, M, G, T; at least 2M, of which 1M is the controller's");

static char *cpus = "";
module_param(cpus, charp, 0444);
MODULE_PARM_DESC(cpus, "CPU list, as 1,3,5-7: the first runs the controller thread, each other one an I/O worker; 2 to 65 CPUs");

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

static struct nvmev_dev *nvmev_dev;
static struct proc_dir_entry *nvmev_proc;
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

/* Decimal microseconds with up to three decimals, to ns */
static int nvmev_parse_latency(const char *text, u64 *ns)
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

static int nvmev_parse_number(const char *text, u64 min, u64 max, u64 *value)
{
	if (nvmev_parse_digits(text, 10, value))
		return -EINVAL;
	return *value < min || *value > max ? -EINVAL : 0;
}

static int nvmev_parse_bw(const char *text, u64 *bw)
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

#define nvmev_refuse(param, right) \
	pr_err("%s=%s: must be %s\n", #param, param, right)

static int nvmev_check_memory_params(struct nvmev_config *config)
{
	u64 end;

	if (!*memmap_start) {
		pr_err("memmap_start is missing: give the start of what memmap=SIZE$START reserves\n");
		return -EINVAL;
	}
	if (nvmev_parse_size(memmap_start, SZ_1G, &config->start)) {
		nvmev_refuse(memmap_start, "a number of GiB, or a number with suffix K, M, G or T");
		return -EINVAL;
	}
	if (!*memmap_size) {
		pr_err("memmap_size is missing: give the size of the reserved memory\n");
		return -EINVAL;
	}
	if (nvmev_parse_size(memmap_size, SZ_1M, &config->size)) {
		nvmev_refuse(memmap_size, "a number of MiB, or a number with suffix K, M, G or T");
		return -EINVAL;
	}
	if (config->start % SZ_1M) {
		nvmev_refuse(memmap_start, "a multiple of 1M");
		return -EINVAL;
	}
	if (config->size < NVMEV_STORAGE_OFFSET + SZ_1M ||
	    config->size % NVME_PAGE_SIZE) {
		nvmev_refuse(memmap_size, "a multiple of 4K and at least 2M");
		return -EINVAL;
	}
	if (check_add_overflow(config->start, config->size, &end) ||
	    (end - 1) >> boot_cpu_data.x86_phys_bits) {
		pr_err("memmap_start=%s memmap_size=%s: must end below the %u bits of a physical address\n",
		       memmap_start, memmap_size, boot_cpu_data.x86_phys_bits);
		return -EINVAL;
	}
	return 0;
}

/* Adds the CPUs of one element of the list, in its order */
static int nvmev_add_cpus(struct nvmev_config *config, unsigned int *nr,
			  const char *element, struct cpumask *seen,
			  struct cpumask *mask)
{
	unsigned int cpu;

	if (cpulist_parse(element, mask) || cpumask_empty(mask)) {
		nvmev_refuse(cpus, "a list of CPUs of this machine, as 1,3,5-7");
		return -EINVAL;
	}
	for_each_cpu(cpu, mask) {
		if (!cpu_online(cpu)) {
			pr_err("cpus=%s: CPU %u is not online, must be of %*pbl\n",
			       cpus, cpu, cpumask_pr_args(cpu_online_mask));
			return -EINVAL;
		}
		if (cpumask_test_and_set_cpu(cpu, seen)) {
			pr_err("cpus=%s: CPU %u stands there twice, must once\n",
			       cpus, cpu);
			return -EINVAL;
		}
		if (*nr == ARRAY_SIZE(config->cpus)) {
			nvmev_refuse(cpus, "at most 65 CPUs");
			return -EINVAL;
		}
		config->cpus[(*nr)++] = cpu;
	}
	return 0;
}

static int nvmev_check_cpus(struct nvmev_config *config)
{
	cpumask_var_t mask, seen;
	unsigned int nr = 0;
	char *list, *element, *next;
	int err = -ENOMEM;

	list = kstrdup(cpus, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		goto free_list;
	if (!zalloc_cpumask_var(&seen, GFP_KERNEL))
		goto free_mask;

	/* Element by element, because a mask forgets which one came first */
	next = strim(list);
	while ((element = strsep(&next, ","))) {
		err = nvmev_add_cpus(config, &nr, element, seen, mask);
		if (err)
			goto free_seen;
	}
	if (nr < 2) {
		nvmev_refuse(cpus, "2 CPUs or more, the first for the controller thread");
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

static int nvmev_check_timing_params(struct nvmev_timing_config *timing)
{
	u64 slots;

	if (nvmev_parse_latency(read_latency,
				&timing->latency_ns[NVMEV_READ])) {
		nvmev_refuse(read_latency, "0 to 60000000 microseconds, three decimals at most");
		return -EINVAL;
	}
	if (nvmev_parse_latency(write_latency,
				&timing->latency_ns[NVMEV_WRITE])) {
		nvmev_refuse(write_latency, "0 to 60000000 microseconds, three decimals at most");
		return -EINVAL;
	}
	if (nvmev_parse_bw(read_bw, &timing->bw[NVMEV_READ])) {
		nvmev_refuse(read_bw, "a number of MiB/s from 0 to 1048576");
		return -EINVAL;
	}
	if (nvmev_parse_bw(write_bw, &timing->bw[NVMEV_WRITE])) {
		nvmev_refuse(write_bw, "a number of MiB/s from 0 to 1048576");
		return -EINVAL;
	}
	if (!*slot) {
		slots = nvmev_timing_derive_slots(timing);
		if (slots > NVMEV_MAX_SLOTS) {
			pr_err("these latencies and bandwidths need %llu slots, must be at most %u: lower one of them, or give slot\n",
			       slots, NVMEV_MAX_SLOTS);
			return -EINVAL;
		}
	} else if (nvmev_parse_number(slot, 1, NVMEV_MAX_SLOTS, &slots)) {
		nvmev_refuse(slot, "a number of slots from 1 to 1048576");
		return -EINVAL;
	}
	timing->slots = slots;
	return 0;
}

static int nvmev_check_params(struct nvmev_config *config)
{
	u64 value;
	int err;

	err = nvmev_check_memory_params(config);
	if (err)
		return err;
	err = nvmev_check_cpus(config);
	if (err)
		return err;
	err = nvmev_check_timing_params(&config->timing);
	if (err)
		return err;

	if (!strcmp(lba_size, "512")) {
		config->lba_shift = 9;
	} else if (!strcmp(lba_size, "4096")) {
		config->lba_shift = 12;
	} else {
		nvmev_refuse(lba_size, "512 or 4096");
		return -EINVAL;
	}
	if (nvmev_parse_number(queues, 1, NVMEV_MAX_QUEUES, &value)) {
		nvmev_refuse(queues, "a number of queue pairs from 1 to 256");
		return -EINVAL;
	}
	config->queues = value;
	if (nvmev_parse_number(queue_depth, 2, NVMEV_MAX_DEPTH, &value)) {
		nvmev_refuse(queue_depth, "a number of entries from 2 to 16384");
		return -EINVAL;
	}
	config->queue_depth = value;
	return 0;
}

/* --- memory ---------------------------------------------------------------- */

/*
 * The firmware's own table tells RAM from a hole: both are "Reserved" in the
 * resource tree once memmap= has been there. It knows only whether some of a
 * range is RAM, so this looks at the ends of every MiB.
 */
static bool nvmev_memory_is_ram(u64 start, u64 size)
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

static int nvmev_check_memory(const struct nvmev_config *config)
{
	u64 last = config->start + config->size - 1;

	if (region_intersects(config->start, config->size,
			      IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT) {
		pr_err("memmap_start=%s memmap_size=%s: [%#llx-%#llx] is, or overlaps, RAM that the kernel uses: boot with memmap=%s$%s\n",
		       memmap_start, memmap_size, config->start, last,
		       memmap_size, memmap_start);
		return -EBUSY;
	}
	if (!nvmev_memory_is_ram(config->start, config->size)) {
		pr_err("memmap_start=%s memmap_size=%s: [%#llx-%#llx] is not all RAM: give a range that the firmware reports as usable, see the first lines of dmesg\n",
		       memmap_start, memmap_size, config->start, last);
		return -ENXIO;
	}
	return 0;
}

static int nvmev_map_memory(struct nvmev_dev *dev)
{
	u64 storage = dev->config.start + NVMEV_STORAGE_OFFSET;

	dev->storage_bytes = dev->config.size - NVMEV_STORAGE_OFFSET;
	if (!request_mem_region(storage, dev->storage_bytes,
				"nvmev storage")) {
		pr_err("memmap_start=%s memmap_size=%s: [%#llx-%#llx] is claimed by someone else, see /proc/iomem\n",
		       memmap_start, memmap_size, storage,
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
	pr_err("the reserved memory cannot be mapped\n");
	return -ENOMEM;
}

static void nvmev_unmap_memory(struct nvmev_dev *dev)
{
	memunmap(dev->storage);
	memunmap(dev->bar);
	release_mem_region(dev->config.start + NVMEV_STORAGE_OFFSET,
			   dev->storage_bytes);
}

/* --- /proc/nvmev ------------------------------------------------------------ */

/**
 * struct nvmev_knob - a file of one value in /proc/nvmev
 * @name: its name
 * @show: writes the value
 * @store: parses @text and sets it; -EINVAL for anything but a good value
 * @kind: what it is about, where it is one of two
 */
struct nvmev_knob {
	const char *name;
	int (*show)(struct seq_file *m, struct nvmev_dev *dev,
		    enum nvmev_kind kind);
	int (*store)(struct nvmev_dev *dev, enum nvmev_kind kind,
		     const char *text);
	enum nvmev_kind kind;
};

static void nvmev_show_us(struct seq_file *m, u64 ns)
{
	u32 frac;
	u64 us = div_u64_rem(ns, NSEC_PER_USEC, &frac);

	if (!frac)
		seq_printf(m, "%llu\n", us);
	else if (frac % 100 == 0)
		seq_printf(m, "%llu.%u\n", us, frac / 100);
	else if (frac % 10 == 0)
		seq_printf(m, "%llu.%02u\n", us, frac / 10);
	else
		seq_printf(m, "%llu.%03u\n", us, frac);
}

static int nvmev_latency_show(struct seq_file *m, struct nvmev_dev *dev,
			      enum nvmev_kind kind)
{
	struct nvmev_timing_config config;

	nvmev_timing_get(&dev->timing, &config);
	nvmev_show_us(m, config.latency_ns[kind]);
	return 0;
}

static int nvmev_latency_store(struct nvmev_dev *dev, enum nvmev_kind kind,
			       const char *text)
{
	u64 ns;
	int err = nvmev_parse_latency(text, &ns);

	if (!err)
		nvmev_timing_set_latency(&dev->timing, kind, ns);
	return err;
}

static int nvmev_bw_show(struct seq_file *m, struct nvmev_dev *dev,
			 enum nvmev_kind kind)
{
	struct nvmev_timing_config config;

	nvmev_timing_get(&dev->timing, &config);
	seq_printf(m, "%llu\n", config.bw[kind] >> 20);
	return 0;
}

static int nvmev_bw_store(struct nvmev_dev *dev, enum nvmev_kind kind,
			  const char *text)
{
	u64 bw;
	int err = nvmev_parse_bw(text, &bw);

	if (!err)
		nvmev_timing_set_bw(&dev->timing, kind, bw);
	return err;
}

static int nvmev_slot_show(struct seq_file *m, struct nvmev_dev *dev,
			   enum nvmev_kind kind)
{
	struct nvmev_timing_config config;

	nvmev_timing_get(&dev->timing, &config);
	seq_printf(m, "%u\n", config.slots);
	return 0;
}

static int nvmev_slot_store(struct nvmev_dev *dev, enum nvmev_kind kind,
			    const char *text)
{
	u64 slots;
	int err = nvmev_parse_number(text, 1, NVMEV_MAX_SLOTS, &slots);

	return err ?: nvmev_timing_set_slots(&dev->timing, slots);
}

static int nvmev_tolerance_show(struct seq_file *m, struct nvmev_dev *dev,
				enum nvmev_kind kind)
{
	nvmev_show_us(m, READ_ONCE(dev->tolerance_ns));
	return 0;
}

static int nvmev_tolerance_store(struct nvmev_dev *dev, enum nvmev_kind kind,
				 const char *text)
{
	u64 ns;
	int err = nvmev_parse_latency(text, &ns);

	if (!err)
		WRITE_ONCE(dev->tolerance_ns, ns);
	return err;
}

static int nvmev_stat_file_show(struct seq_file *m, struct nvmev_dev *dev,
				enum nvmev_kind kind)
{
	return nvmev_stat_show(dev, m);
}

/* Whatever is written resets */
static int nvmev_stat_file_store(struct nvmev_dev *dev, enum nvmev_kind kind,
				 const char *text)
{
	nvmev_stat_reset(dev);
	return 0;
}

static const struct nvmev_knob nvmev_knobs[] = {
	{ "read_latency", nvmev_latency_show, nvmev_latency_store, NVMEV_READ },
	{ "write_latency", nvmev_latency_show, nvmev_latency_store,
	  NVMEV_WRITE },
	{ "read_bw", nvmev_bw_show, nvmev_bw_store, NVMEV_READ },
	{ "write_bw", nvmev_bw_show, nvmev_bw_store, NVMEV_WRITE },
	{ "slot", nvmev_slot_show, nvmev_slot_store },
	{ "tolerance", nvmev_tolerance_show, nvmev_tolerance_store },
	{ "stat", nvmev_stat_file_show, nvmev_stat_file_store },
};

static int nvmev_knob_show(struct seq_file *m, void *v)
{
	const struct nvmev_knob *knob = m->private;

	return knob->show(m, nvmev_dev, knob->kind);
}

static int nvmev_knob_open(struct inode *inode, struct file *file)
{
	return single_open(file, nvmev_knob_show, pde_data(inode));
}

static ssize_t nvmev_knob_write(struct file *file, const char __user *buf,
				size_t count, loff_t *pos)
{
	const struct nvmev_knob *knob = pde_data(file_inode(file));
	char text[32];
	size_t len = count;
	int err;

	if (!count || count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	if (text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	if (strlen(text) != len)
		return -EINVAL;

	err = knob->store(nvmev_dev, knob->kind, text);
	return err ?: count;
}

static const struct proc_ops nvmev_knob_ops = {
	.proc_open = nvmev_knob_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = nvmev_knob_write,
};

static int nvmev_proc_create(void)
{
	unsigned int i;

	nvmev_proc = proc_mkdir("nvmev", NULL);
	if (!nvmev_proc)
		goto fail;
	for (i = 0; i < ARRAY_SIZE(nvmev_knobs); i++)
		if (!proc_create_data(nvmev_knobs[i].name, 0644, nvmev_proc,
				      &nvmev_knob_ops,
				      (void *)&nvmev_knobs[i]))
			goto remove;
	return 0;

remove:
	proc_remove(nvmev_proc);
fail:
	pr_err("/proc/nvmev cannot be made\n");
	return -ENOMEM;
}

/* --- CPU hotplug --------------------------------------------------------------- */

/* A thread that lost its CPU runs elsewhere until the CPU is back */
static int nvmev_cpu_online(unsigned int cpu)
{
	struct nvmev_dev *dev = nvmev_dev;
	unsigned int i;

	if (cpu == dev->config.cpus[0])
		set_cpus_allowed_ptr(dev->ctrl_task, cpumask_of(cpu));
	for (i = 0; i < dev->config.nr_workers; i++)
		if (cpu == dev->workers[i].cpu)
			set_cpus_allowed_ptr(dev->workers[i].task,
					     cpumask_of(cpu));
	return 0;
}

static int nvmev_cpu_offline(unsigned int cpu)
{
	struct nvmev_dev *dev = nvmev_dev;
	unsigned int i;

	for (i = 0; i <= dev->config.nr_workers; i++)
		if (cpu == dev->config.cpus[i])
			pr_warn("CPU %u goes offline: until it is back, timing is what other CPUs leave\n",
				cpu);
	return 0;
}

/* --- load and unload --------------------------------------------------------- */

static int __init nvmev_init(void)
{
	struct nvmev_dev *dev;
	int err;

	dev = kvzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	nvmev_dev = dev;

	err = nvmev_check_params(&dev->config);
	if (err)
		goto free_dev;
	err = nvmev_check_memory(&dev->config);
	if (err)
		goto free_dev;
	err = nvmev_pci_init(dev);
	if (err)
		goto free_dev;
	err = nvmev_map_memory(dev);
	if (err)
		goto destroy_pci;
	nvmev_ns_init_all(dev);
	dev->tolerance_ns = NVMEV_DEFAULT_TOLERANCE_NS;
	dev->stat_reset_ns = nvmev_clock_ns();
	err = nvmev_timing_init(&dev->timing, &dev->config.timing);
	if (err)
		goto unmap_memory;
	err = nvmev_ctrl_init(dev);
	if (err)
		goto destroy_timing;
	err = nvmev_workers_start(dev);
	if (err)
		goto destroy_ctrl;
	err = nvmev_ctrl_start(dev);
	if (err)
		goto stop_workers;
	err = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "nvmev:online",
					nvmev_cpu_online, nvmev_cpu_offline);
	if (err < 0) {
		pr_err("CPU hotplug cannot be followed: error %d\n", err);
		goto stop_ctrl;
	}
	nvmev_cpuhp = err;
	err = nvmev_proc_create();
	if (err)
		goto remove_cpuhp;
	err = nvmev_pci_add(dev);
	if (err)
		goto remove_proc;

	pr_info("[%#llx-%#llx]: %llu MiB in %u byte blocks, %u slots, controller on CPU %u, %u I/O workers\n",
		dev->config.start, dev->config.start + dev->config.size - 1,
		dev->storage_bytes >> 20, 1U << dev->config.lba_shift,
		dev->config.timing.slots, dev->config.cpus[0],
		dev->config.nr_workers);
	return 0;

remove_proc:
	proc_remove(nvmev_proc);
remove_cpuhp:
	cpuhp_remove_state_nocalls(nvmev_cpuhp);
stop_ctrl:
	nvmev_ctrl_stop(dev);
stop_workers:
	nvmev_workers_stop(dev);
destroy_ctrl:
	nvmev_ctrl_destroy(dev);
destroy_timing:
	nvmev_timing_destroy(&dev->timing);
unmap_memory:
	nvmev_unmap_memory(dev);
destroy_pci:
	nvmev_pci_destroy(dev);
free_dev:
	kvfree(dev);
	return err;
}

static void __exit nvmev_exit(void)
{
	struct nvmev_dev *dev = nvmev_dev;

	/* The driver unbinds while the threads still answer it */
	nvmev_pci_remove(dev);
	proc_remove(nvmev_proc);
	cpuhp_remove_state_nocalls(nvmev_cpuhp);
	nvmev_ctrl_stop(dev);
	nvmev_workers_stop(dev);
	nvmev_ctrl_destroy(dev);
	nvmev_timing_destroy(&dev->timing);
	nvmev_unmap_memory(dev);
	nvmev_pci_destroy(dev);
	kvfree(dev);
	pr_info("unloaded\n");
}

module_init(nvmev_init);
module_exit(nvmev_exit);

MODULE_DESCRIPTION("A virtual NVMe SSD in reserved memory");
MODULE_AUTHOR("The nvmev developers");
MODULE_LICENSE("GPL");
