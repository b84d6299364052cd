// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics: what /proc/nvmev/stat shows. The workers count, each for itself;
 * readers add up what they see without disturbing them.
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mutex.h>
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

/**
 * nvmev_stat_record() - count a command that succeeded
 * @stat: the counters of its queue and kind
 * @bytes: its length
 * @wait_ns: its queueing delay in the model
 * @late_ns: how late its completion was
 * @intolerable: whether that was beyond the tolerance
 *
 * Context: the worker that owns the queue.
 */
void nvmev_stat_record(struct nvmev_stat *stat, u64 bytes, u64 wait_ns,
		       u64 late_ns, bool intolerable)
{
	nvmev_stat_add(&stat->commands, 1);
	nvmev_stat_add(&stat->bytes, bytes);
	nvmev_stat_add(&stat->wait_sum_ns, wait_ns);
	nvmev_stat_max(&stat->wait_max_ns, wait_ns);
	nvmev_stat_add(&stat->late_sum_ns, late_ns);
	nvmev_stat_max(&stat->late_max_ns, late_ns);
	nvmev_stat_add(&stat->late[nvmev_hist_bucket(late_ns)], 1);
	if (unlikely(intolerable))
		nvmev_stat_add(&stat->intolerable, 1);
}

/**
 * nvmev_stat_add_all() - add counters up, but for what is in flight
 * @sum: what to add to; nobody else writes it
 * @stat: what to add; may be counting meanwhile
 */
void nvmev_stat_add_all(struct nvmev_stat *sum, const struct nvmev_stat *stat)
{
	unsigned int i;

	nvmev_stat_add(&sum->commands, READ_ONCE(stat->commands));
	nvmev_stat_add(&sum->bytes, READ_ONCE(stat->bytes));
	nvmev_stat_add(&sum->errors, READ_ONCE(stat->errors));
	nvmev_stat_add(&sum->wait_sum_ns, READ_ONCE(stat->wait_sum_ns));
	nvmev_stat_max(&sum->wait_max_ns, READ_ONCE(stat->wait_max_ns));
	nvmev_stat_add(&sum->late_sum_ns, READ_ONCE(stat->late_sum_ns));
	nvmev_stat_max(&sum->late_max_ns, READ_ONCE(stat->late_max_ns));
	nvmev_stat_add(&sum->intolerable, READ_ONCE(stat->intolerable));
	for (i = 0; i < NVMEV_HIST_BUCKETS; i++)
		nvmev_stat_add(&sum->late[i], READ_ONCE(stat->late[i]));
}

/*
 * All of one kind, of queues that live and of queues that are gone. The workers
 * know nothing of each other: what was in flight at most is the sum of what
 * each of them had.
 */
static void nvmev_stat_sum(struct nvmev_dev *dev, enum nvmev_kind kind,
			   struct nvmev_stat *sum)
{
	unsigned int i;

	for (i = 0; i < dev->config.nr_workers; i++) {
		const struct nvmev_stat *stat = &dev->workers[i].stat[kind];

		nvmev_stat_add_all(sum, stat);
		sum->in_flight += READ_ONCE(stat->in_flight);
		sum->in_flight_max += READ_ONCE(stat->in_flight_max);
	}
	for (i = 1; i <= dev->config.queues; i++)
		if (dev->sqs[i])
			nvmev_stat_add_all(sum, &dev->sqs[i]->stat[kind]);
}

/* All kinds of one queue */
static void nvmev_stat_sum_queue(const struct nvmev_sq *sq,
				 struct nvmev_stat *sum)
{
	int kind;

	memset(sum, 0, sizeof(*sum));
	for (kind = 0; kind < NVMEV_KINDS; kind++)
		nvmev_stat_add_all(sum, &sq->stat[kind]);
	sum->in_flight = READ_ONCE(sq->in_flight);
	sum->in_flight_max = READ_ONCE(sq->in_flight_max);
}

#define NVMEV_STAT_COLUMNS \
	"commands bytes errors in_flight in_flight_max wait_mean_ns wait_max_ns late_mean_ns late_p50_ns late_p99_ns late_p999_ns late_max_ns violations"

static void nvmev_stat_show_row(struct seq_file *m, const char *name,
				const struct nvmev_stat *stat)
{
	u64 n = stat->commands ?: 1;

	seq_printf(m, "%-6s %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu\n",
		   name, stat->commands, stat->bytes, stat->errors,
		   stat->in_flight, stat->in_flight_max,
		   div64_u64(stat->wait_sum_ns, n), stat->wait_max_ns,
		   div64_u64(stat->late_sum_ns, n),
		   nvmev_stat_quantile(stat, 500),
		   nvmev_stat_quantile(stat, 990),
		   nvmev_stat_quantile(stat, 999),
		   stat->late_max_ns, stat->intolerable);
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

static DEFINE_MUTEX(nvmev_stat_readers);

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
	u64 unseen_max_ns = 0;
	unsigned int qid, w;
	char name[8];
	int kind;

	stats = kvcalloc(NVMEV_KINDS, sizeof(*stats), GFP_KERNEL);
	if (!stats)
		return -ENOMEM;
	for (w = 0; w < dev->config.nr_workers; w++)
		unseen_max_ns = max(unseen_max_ns,
				    READ_ONCE(dev->workers[w].unseen_max_ns));
	/* However many read, the controller thread waits for one at most */
	mutex_lock(&nvmev_stat_readers);
	mutex_lock(&dev->queues_lock);
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
	seq_printf(m, "unseen_max_ns %llu\n", unseen_max_ns);

	seq_puts(m, "kind   " NVMEV_STAT_COLUMNS "\n");
	for (kind = 0; kind < NVMEV_KINDS; kind++)
		nvmev_stat_show_row(m, names[kind], &stats[kind]);

	/* late_log2 KIND UPTO COUNT: later than UPTO / 2 and less than UPTO */
	for (kind = 0; kind < NVMEV_KINDS; kind++)
		nvmev_stat_show_log2(m, names[kind], &stats[kind]);

	seq_puts(m, "queue  " NVMEV_STAT_COLUMNS "\n");
	for (qid = 1; qid <= dev->config.queues; qid++) {
		if (!dev->sqs[qid])
			continue;
		snprintf(name, sizeof(name), "%u", qid);
		nvmev_stat_sum_queue(dev->sqs[qid], &stats[0]);
		nvmev_stat_show_row(m, name, &stats[0]);
		nvmev_stat_show_log2(m, name, &stats[0]);
	}
	mutex_unlock(&dev->queues_lock);
	mutex_unlock(&nvmev_stat_readers);

	kvfree(stats);
	return 0;
}

static void nvmev_stat_reset_one(struct nvmev_stat *stat)
{
	/* Not @in_flight, which goes on and is read meanwhile */
	memset(stat, 0, offsetof(struct nvmev_stat, in_flight));
	memset(stat->late, 0, sizeof(stat->late));
	stat->in_flight_max = stat->in_flight;
}

static void nvmev_stat_reset_worker(struct nvmev_worker *worker, void *arg)
{
	struct nvmev_sq *sq;
	int kind;

	worker->unseen_max_ns = 0;
	for (kind = 0; kind < NVMEV_KINDS; kind++) {
		nvmev_stat_reset_one(&worker->stat[kind]);
		list_for_each_entry(sq, &worker->sqs, node)
			nvmev_stat_reset_one(&sq->stat[kind]);
	}
	list_for_each_entry(sq, &worker->sqs, node)
		WRITE_ONCE(sq->in_flight_max, sq->in_flight);
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
