// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics: what /proc/nvmev/stat shows. The workers count, each for itself;
 * readers add up what they see without disturbing them.
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "nvmev.h"

/**
 * nvmev_hist_bucket() - the bucket that counts a lateness
 * @ns: the lateness
 *
 * Values below NVMEV_HIST_SUB have a bucket each; above, each power of two is
 * divided into NVMEV_HIST_SUB buckets. The last one takes all that is larger.
 */
unsigned int nvmev_hist_bucket(u64 ns)
{
	unsigned int order, bucket;

	if (ns < NVMEV_HIST_SUB)
		return ns;
	order = ilog2(ns) - NVMEV_HIST_SUB_BITS;
	bucket = (order << NVMEV_HIST_SUB_BITS) + (ns >> order);
	return min_t(unsigned int, bucket, NVMEV_HIST_BUCKETS - 1);
}

/**
 * nvmev_hist_upper() - the largest lateness that a bucket counts, in ns
 * @bucket: the bucket
 */
u64 nvmev_hist_upper(unsigned int bucket)
{
	unsigned int order;

	if (bucket < NVMEV_HIST_SUB)
		return bucket;
	order = (bucket >> NVMEV_HIST_SUB_BITS) - 1;
	bucket = (bucket & (NVMEV_HIST_SUB - 1)) + NVMEV_HIST_SUB;
	return ((u64)(bucket + 1) << order) - 1;
}

/* The lateness that no more than 1 - permille/1000 of the commands exceed */
static u64 nvmev_stat_quantile(const struct nvmev_stat *stat,
			       unsigned int permille)
{
	u64 total = 0, sum = 0, rank;
	unsigned int i;

	for (i = 0; i < NVMEV_HIST_BUCKETS; i++)
		total += stat->late[i];
	if (!total)
		return 0;
	rank = DIV64_U64_ROUND_UP(total * permille, 1000);
	for (i = 0; i < NVMEV_HIST_BUCKETS; i++) {
		sum += stat->late[i];
		if (sum >= rank)
			break;
	}
	return min(nvmev_hist_upper(i), stat->late_max_ns);
}

static void nvmev_stat_sum(struct nvmev_dev *dev, enum nvmev_kind kind,
			   struct nvmev_stat *sum)
{
	unsigned int w, i;

	memset(sum, 0, sizeof(*sum));
	for (w = 0; w < dev->config.nr_workers; w++) {
		const struct nvmev_stat *stat = &dev->workers[w].stat[kind];

		sum->commands += READ_ONCE(stat->commands);
		sum->bytes += READ_ONCE(stat->bytes);
		sum->errors += READ_ONCE(stat->errors);
		sum->wait_sum_ns += READ_ONCE(stat->wait_sum_ns);
		sum->wait_max_ns = max(sum->wait_max_ns,
				       READ_ONCE(stat->wait_max_ns));
		sum->late_sum_ns += READ_ONCE(stat->late_sum_ns);
		sum->late_max_ns = max(sum->late_max_ns,
				       READ_ONCE(stat->late_max_ns));
		sum->intolerable += READ_ONCE(stat->intolerable);
		sum->in_flight += READ_ONCE(stat->in_flight);
		sum->in_flight_max += READ_ONCE(stat->in_flight_max);
		for (i = 0; i < NVMEV_HIST_BUCKETS; i++)
			sum->late[i] += READ_ONCE(stat->late[i]);
	}
}

static void nvmev_stat_show_log2(struct seq_file *m, const char *name,
				 const struct nvmev_stat *stat)
{
	unsigned int i, order = 0;
	u64 count = 0;

	for (i = 0; i < NVMEV_HIST_BUCKETS; i++) {
		count += stat->late[i];
		if (i + 1 < NVMEV_HIST_BUCKETS &&
		    nvmev_hist_upper(i) + 1 != 1ULL << order)
			continue;
		if (count)
			seq_printf(m, "late_log2 %-6s %12llu %llu\n", name,
				   1ULL << order, count);
		count = 0;
		order++;
	}
}

/**
 * nvmev_stat_show() - write the table of /proc/nvmev/stat
 * @dev: the device
 * @m: where to
 *
 * Context: any thread, may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvmev_stat_show(struct nvmev_dev *dev, struct seq_file *m)
{
	static const char * const names[NVMEV_KINDS] = {
		[NVMEV_READ] = "read",
		[NVMEV_WRITE] = "write",
		[NVMEV_OTHER] = "other",
	};
	u64 commands = 0, intolerable = 0, late_max_ns = 0;
	u64 tolerance_ns = READ_ONCE(dev->tolerance_ns);
	struct nvmev_stat *stats;
	int kind;

	stats = kvcalloc(NVMEV_KINDS, sizeof(*stats), GFP_KERNEL);
	if (!stats)
		return -ENOMEM;
	for (kind = 0; kind < NVMEV_KINDS; kind++) {
		nvmev_stat_sum(dev, kind, &stats[kind]);
		commands += stats[kind].commands;
		intolerable += stats[kind].intolerable;
		late_max_ns = max(late_max_ns, stats[kind].late_max_ns);
	}

	if (intolerable)
		seq_printf(m, "verdict violated: %llu of %llu completions later than %llu ns, the worst by %llu ns\n",
			   intolerable, commands, tolerance_ns, late_max_ns);
	else
		seq_printf(m, "verdict held: none of %llu completions later than %llu ns\n",
			   commands, tolerance_ns);
	seq_printf(m, "since_reset_ns %llu\n",
		   nvmev_clock_ns() - READ_ONCE(dev->stat_reset_ns));

	seq_puts(m, "kind   commands bytes errors in_flight in_flight_max wait_mean_ns wait_max_ns late_mean_ns late_p50_ns late_p99_ns late_p999_ns late_max_ns violations\n");
	for (kind = 0; kind < NVMEV_KINDS; kind++) {
		const struct nvmev_stat *stat = &stats[kind];
		u64 n = stat->commands ?: 1;

		seq_printf(m, "%-6s %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu\n",
			   names[kind], stat->commands, stat->bytes,
			   stat->errors, stat->in_flight, stat->in_flight_max,
			   div64_u64(stat->wait_sum_ns, n), stat->wait_max_ns,
			   div64_u64(stat->late_sum_ns, n),
			   nvmev_stat_quantile(stat, 500),
			   nvmev_stat_quantile(stat, 990),
			   nvmev_stat_quantile(stat, 999),
			   stat->late_max_ns, stat->intolerable);
	}

	/* late_log2 KIND UPTO COUNT: later than UPTO / 2 and less than UPTO */
	for (kind = 0; kind < NVMEV_KINDS; kind++)
		nvmev_stat_show_log2(m, names[kind], &stats[kind]);

	kvfree(stats);
	return 0;
}

static void nvmev_stat_reset_worker(struct nvmev_worker *worker, void *arg)
{
	u64 in_flight;
	int kind;

	for (kind = 0; kind < NVMEV_KINDS; kind++) {
		in_flight = worker->stat[kind].in_flight;
		memset(&worker->stat[kind], 0, sizeof(worker->stat[kind]));
		worker->stat[kind].in_flight = in_flight;
		worker->stat[kind].in_flight_max = in_flight;
	}
}

/**
 * nvmev_stat_reset() - begin all statistics anew
 * @dev: the device
 *
 * Context: any thread, sleeps until each worker has done its part.
 */
void nvmev_stat_reset(struct nvmev_dev *dev)
{
	unsigned int w;

	for (w = 0; w < dev->config.nr_workers; w++)
		nvmev_worker_call(&dev->workers[w], nvmev_stat_reset_worker,
				  NULL);
	WRITE_ONCE(dev->stat_reset_ns, nvmev_clock_ns());
}
