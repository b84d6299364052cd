// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/nvmev: the knobs and the statistics of each device, in a directory of
 * its number, and for a device that is alone in /proc/nvmev itself as well.
 *
 * The files come when every device has its threads and go before any of them
 * is stopped, so whoever has one open may use the device.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/uaccess.h>

#include "nvmev.h"

/**
 * struct nvmev_knob - a file of one value or one table
 * @name: its name
 * @show: writes it
 * @store: parses @text and sets it; -EINVAL for anything but a good value.
 *         NULL: it is only read
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

	if (err)
		return err;
	WRITE_ONCE(dev->tolerance_ns, ns);
	/* What was counted before was held against another one */
	nvmev_stat_reset(dev);
	return 0;
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

/* What the device is, which no write changes */
static int nvmev_device_show(struct seq_file *m, struct nvmev_dev *dev,
			     enum nvmev_kind kind)
{
	const struct nvmev_config *config = &dev->config;
	unsigned int i;
	int domain;

	seq_printf(m, "memory %#llx-%#llx\n", config->start,
		   config->start + config->size - 1);
	seq_printf(m, "source %s\n", dev->mem.taken ? "kernel" : "reserved");
	seq_printf(m, "bytes %llu\n", dev->storage_bytes);
	/* The bus comes after this file, and goes before it */
	domain = nvmev_pci_domain(dev);
	if (domain)
		seq_printf(m, "pci %04x:00:00.0\n", domain);
	else
		seq_puts(m, "pci none\n");
	seq_printf(m, "node %d\n", nvmev_pci_node(dev));
	seq_printf(m, "cpus %u", config->cpus[0]);
	for (i = 1; i <= config->nr_workers; i++)
		seq_printf(m, ",%u", config->cpus[i]);
	seq_printf(m, "\nlba_size %u\n", 1U << config->lba_shift);
	seq_printf(m, "queues %u\n", config->queues);
	seq_printf(m, "queue_depth %u\n", config->queue_depth);
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
	{ "device", nvmev_device_show },
};

/**
 * struct nvmev_file - a knob of a device
 * @knob: the knob
 * @dev: the device
 */
struct nvmev_file {
	const struct nvmev_knob *knob;
	struct nvmev_dev *dev;
};

static struct nvmev_file nvmev_files[NVMEV_MAX_DEVICES]
				    [ARRAY_SIZE(nvmev_knobs)];
static struct proc_dir_entry *nvmev_proc;

static int nvmev_knob_show(struct seq_file *m, void *v)
{
	const struct nvmev_file *file = m->private;

	return file->knob->show(m, file->dev, file->knob->kind);
}

static int nvmev_knob_open(struct inode *inode, struct file *file)
{
	return single_open(file, nvmev_knob_show, pde_data(inode));
}

static ssize_t nvmev_knob_write(struct file *file, const char __user *buf,
				size_t count, loff_t *pos)
{
	const struct nvmev_file *target = pde_data(file_inode(file));
	char text[32];
	size_t len = count;
	int err;

	if (!target->knob->store || !count || count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	if (text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	if (strlen(text) != len)
		return -EINVAL;

	err = target->knob->store(target->dev, target->knob->kind, text);
	return err ?: count;
}

static const struct proc_ops nvmev_knob_ops = {
	.proc_open = nvmev_knob_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = nvmev_knob_write,
};

static int nvmev_proc_create_files(struct proc_dir_entry *dir,
				   struct nvmev_file *files)
{
	const struct nvmev_knob *knob;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nvmev_knobs); i++) {
		knob = files[i].knob;
		if (!proc_create_data(knob->name, knob->store ? 0644 : 0444,
				      dir, &nvmev_knob_ops, &files[i]))
			return -ENOMEM;
	}
	return 0;
}

/**
 * nvmev_proc_create() - make /proc/nvmev
 * @devs: the devices, with their threads running
 * @nr_devs: how many
 *
 * With one device its files are in /proc/nvmev as well as in /proc/nvmev/0.
 * With several they are not: nobody shall turn one device and mean all.
 *
 * Context: load, may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvmev_proc_create(struct nvmev_dev **devs, unsigned int nr_devs)
{
	struct proc_dir_entry *dir;
	unsigned int i, k;
	char name[12];

	nvmev_proc = proc_mkdir("nvmev", NULL);
	if (!nvmev_proc)
		goto fail;
	for (i = 0; i < nr_devs; i++) {
		for (k = 0; k < ARRAY_SIZE(nvmev_knobs); k++) {
			nvmev_files[i][k].knob = &nvmev_knobs[k];
			nvmev_files[i][k].dev = devs[i];
		}
		snprintf(name, sizeof(name), "%u", i);
		dir = proc_mkdir(name, nvmev_proc);
		if (!dir || nvmev_proc_create_files(dir, nvmev_files[i]))
			goto remove;
	}
	if (nr_devs == 1 && nvmev_proc_create_files(nvmev_proc, nvmev_files[0]))
		goto remove;
	return 0;

remove:
	nvmev_proc_remove();
fail:
	pr_err("/proc/nvmev cannot be made\n");
	return -ENOMEM;
}

/**
 * nvmev_proc_remove() - take /proc/nvmev away, and wait for who is in it
 */
void nvmev_proc_remove(void)
{
	proc_remove(nvmev_proc);
}
