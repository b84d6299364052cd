// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces: which exist, where they lie in the storage, and which of their
 * blocks cannot be read.
 *
 * The controller thread alone changes them. Workers look them up for each
 * command; before one changes or goes away, nvmev_ns_quiesce() sees to it that
 * no worker has a command of it.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "nvmev.h"

/**
 * nvmev_ns_init_all() - one namespace over everything
 * @dev: the device, with its storage known
 *
 * Context: load.
 */
void nvmev_ns_init_all(struct nvmev_dev *dev)
{
	struct nvmev_ns *ns = &dev->ns[0];
	unsigned int i;

	for (i = 0; i < NVMEV_MAX_NS; i++)
		spin_lock_init(&dev->ns[i].bad_lock);
	ns->nsid = 1;
	ns->attached = true;
	ns->bytes = dev->storage_bytes;
	nvmev_ns_set_format(ns, dev->config.lba_shift);
}

/**
 * nvmev_ns_find_allocated() - look up a namespace, attached or not
 * @dev: the device
 * @nsid: its identifier
 *
 * Context: the controller thread.
 * Return: the namespace, NULL when it does not exist.
 */
struct nvmev_ns *nvmev_ns_find_allocated(struct nvmev_dev *dev, u32 nsid)
{
	if (!nsid || nsid > NVMEV_MAX_NS || !dev->ns[nsid - 1].nsid)
		return NULL;
	return &dev->ns[nsid - 1];
}

/**
 * nvmev_ns_find() - look up an attached namespace
 * @dev: the device
 * @nsid: its identifier
 *
 * Context: a worker or the controller thread.
 * Return: the namespace, NULL when it is not attached.
 */
struct nvmev_ns *nvmev_ns_find(struct nvmev_dev *dev, u32 nsid)
{
	struct nvmev_ns *ns;

	if (!nsid || nsid > NVMEV_MAX_NS)
		return NULL;
	ns = &dev->ns[nsid - 1];
	/* Pairs with the release in nvmev_ns_set_attached() */
	return smp_load_acquire(&ns->attached) ? ns : NULL;
}

/**
 * nvmev_ns_missing() - the status of a command whose namespace is not there
 * @nsid: its identifier
 *
 * An identifier that could be a namespace's is inactive, others are invalid
 * (NVMe 1.4, 6.1).
 */
u16 nvmev_ns_missing(u32 nsid)
{
	if (nsid && nsid <= NVMEV_MAX_NS)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	return NVME_SC_INVALID_NS | NVME_SC_DNR;
}

/**
 * nvmev_ns_set_format() - set the block size, and with it the size in blocks
 * @ns: the namespace, with @ns->bytes set and not in use
 * @lba_shift: log2 of the block size
 */
void nvmev_ns_set_format(struct nvmev_ns *ns, u8 lba_shift)
{
	ns->lba_shift = lba_shift;
	ns->nr_lba = ns->bytes >> lba_shift;
	spin_lock(&ns->bad_lock);
	WRITE_ONCE(ns->nr_bad, 0);
	spin_unlock(&ns->bad_lock);
}

/**
 * nvmev_ns_allocated() - bytes of the storage that a namespace takes
 * @dev: the device
 * @ns: the namespace
 *
 * Return: NVMCAP: its size, up to where the next one may begin.
 */
u64 nvmev_ns_allocated(struct nvmev_dev *dev, const struct nvmev_ns *ns)
{
	return min(ALIGN(ns->bytes, NVMEV_NS_ALIGN),
		   dev->storage_bytes - ns->offset);
}

/**
 * nvmev_ns_unallocated() - bytes of the storage in no namespace
 * @dev: the device
 */
u64 nvmev_ns_unallocated(struct nvmev_dev *dev)
{
	u64 bytes = dev->storage_bytes;
	unsigned int i;

	for (i = 0; i < NVMEV_MAX_NS; i++)
		if (dev->ns[i].nsid)
			bytes -= nvmev_ns_allocated(dev, &dev->ns[i]);
	return bytes;
}

/* The first gap of the storage with room for @bytes */
static bool nvmev_ns_find_gap(struct nvmev_dev *dev, u64 bytes, u64 *offset)
{
	u64 start = 0;
	unsigned int i;

again:
	if (start > dev->storage_bytes || bytes > dev->storage_bytes - start)
		return false;
	for (i = 0; i < NVMEV_MAX_NS; i++) {
		const struct nvmev_ns *ns = &dev->ns[i];

		if (ns->nsid && start < ns->offset + ns->bytes &&
		    ns->offset < start + bytes) {
			start = ALIGN(ns->offset + ns->bytes, NVMEV_NS_ALIGN);
			goto again;
		}
	}
	*offset = start;
	return true;
}

/**
 * nvmev_ns_create() - make a namespace out of storage that is in none
 * @dev: the device
 * @nr_lba: its size in blocks, not 0
 * @lba_shift: log2 of the block size
 * @nsid: set to its identifier
 *
 * It is busy until the caller has erased what the storage held there.
 *
 * Context: the controller thread.
 * Return: 0, Namespace Insufficient Capacity or Identifier Unavailable.
 */
u16 nvmev_ns_create(struct nvmev_dev *dev, u64 nr_lba, u8 lba_shift,
		    u32 *nsid)
{
	struct nvmev_ns *ns;
	u64 bytes, offset;
	unsigned int i;

	if (nr_lba > dev->storage_bytes >> lba_shift)
		return NVME_SC_NS_INSUFFICIENT_CAP | NVME_SC_DNR;
	bytes = nr_lba << lba_shift;
	if (!nvmev_ns_find_gap(dev, bytes, &offset))
		return NVME_SC_NS_INSUFFICIENT_CAP | NVME_SC_DNR;
	for (i = 0; i < NVMEV_MAX_NS; i++)
		if (!dev->ns[i].nsid)
			break;
	if (i == NVMEV_MAX_NS)
		return NVME_SC_NS_ID_UNAVAILABLE | NVME_SC_DNR;

	ns = &dev->ns[i];
	ns->nsid = i + 1;
	ns->generation++;
	ns->offset = offset;
	ns->bytes = bytes;
	/* Until it has been erased, see nvmev_ns_ready() */
	ns->busy = NVME_SC_FORMAT_IN_PROGRESS;
	ns->write_due_ns = 0;
	nvmev_ns_set_format(ns, lba_shift);
	*nsid = ns->nsid;
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_ns_delete() - give a namespace's storage back
 * @dev: the device
 * @ns: the namespace; its commands end as later ones will
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_ns_delete(struct nvmev_dev *dev, struct nvmev_ns *ns)
{
	if (ns->attached)
		nvmev_ns_set_attached(dev, ns, false);
	ns->nsid = 0;
}

struct nvmev_ns_drop {
	struct nvmev_ns *ns;
	u16 status;
};

static void nvmev_ns_drop(struct nvmev_worker *worker, void *arg)
{
	struct nvmev_ns_drop *drop = arg;

	nvmev_worker_drop_ns(worker, drop->ns, drop->status);
}

static void nvmev_ns_drop_all(struct nvmev_dev *dev, struct nvmev_ns *ns,
			      u16 status)
{
	struct nvmev_ns_drop drop = { .ns = ns, .status = status };
	unsigned int i;

	for (i = 0; i < dev->config.nr_workers; i++)
		nvmev_worker_call(&dev->workers[i], nvmev_ns_drop, &drop);
	/* A later Flush does not wait for what was dropped */
	spin_lock(&dev->timing.lock);
	ns->write_due_ns = 0;
	spin_unlock(&dev->timing.lock);
}

/**
 * nvmev_ns_set_attached() - attach or detach a namespace
 * @dev: the device
 * @ns: the namespace; detached, its commands end as later ones will
 * @attached: which
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_ns_set_attached(struct nvmev_dev *dev, struct nvmev_ns *ns,
			   bool attached)
{
	/* Pairs with the acquire in nvmev_ns_find() */
	smp_store_release(&ns->attached, attached);
	if (!attached)
		nvmev_ns_drop_all(dev, ns, nvmev_ns_missing(ns->nsid));
}

/**
 * nvmev_ns_quiesce() - end a namespace's commands, and refuse new ones
 * @dev: the device
 * @ns: the namespace
 * @status: what they all end with; nvmev_ns_ready() lets new ones in again
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_ns_quiesce(struct nvmev_dev *dev, struct nvmev_ns *ns, u16 status)
{
	WRITE_ONCE(ns->busy, status);
	nvmev_ns_drop_all(dev, ns, status);
}

/**
 * nvmev_ns_ready() - let commands in again
 * @ns: the namespace, quiesced before
 *
 * Context: the controller thread.
 */
void nvmev_ns_ready(struct nvmev_ns *ns)
{
	/* Pairs with the acquire in nvmev_ns_busy() */
	smp_store_release(&ns->busy, 0);
}

/**
 * nvmev_ns_busy() - the status that commands get at present
 * @ns: the namespace
 *
 * Context: a worker or the controller thread.
 * Return: a status, 0 when commands can be executed.
 */
u16 nvmev_ns_busy(struct nvmev_ns *ns)
{
	/* Pairs with the release in nvmev_ns_ready() */
	return smp_load_acquire(&ns->busy);
}

/* --- blocks that cannot be read, 6.16 -------------------------------------- */

static bool nvmev_extent_overlaps(const struct nvmev_extent *extent, u64 lba,
				  u64 nr)
{
	return lba < extent->lba + extent->nr && extent->lba < lba + nr;
}

/**
 * nvmev_ns_is_bad() - whether some block was made unreadable
 * @ns: the namespace
 * @lba: the first block
 * @nr: how many
 * @first: set to the first of them that was, if any was
 *
 * Context: a worker.
 */
bool nvmev_ns_is_bad(struct nvmev_ns *ns, u64 lba, u64 nr, u64 *first)
{
	u64 found = U64_MAX;
	unsigned int i;

	if (likely(!READ_ONCE(ns->nr_bad)))
		return false;
	spin_lock(&ns->bad_lock);
	for (i = 0; i < ns->nr_bad; i++)
		if (nvmev_extent_overlaps(&ns->bad[i], lba, nr))
			found = min(found, max(lba, ns->bad[i].lba));
	spin_unlock(&ns->bad_lock);
	if (found == U64_MAX)
		return false;
	*first = found;
	return true;
}

static void nvmev_ns_clear_bad_locked(struct nvmev_ns *ns, u64 lba, u64 nr)
{
	unsigned int i = 0;

	lockdep_assert_held(&ns->bad_lock);
	while (i < ns->nr_bad) {
		struct nvmev_extent *extent = &ns->bad[i];
		u64 end = extent->lba + extent->nr;

		if (!nvmev_extent_overlaps(extent, lba, nr)) {
			i++;
		} else if (extent->lba < lba && end > lba + nr &&
			   ns->nr_bad < NVMEV_MAX_BAD) {
			extent->nr = lba - extent->lba;
			ns->bad[ns->nr_bad].lba = lba + nr;
			ns->bad[ns->nr_bad].nr = end - lba - nr;
			WRITE_ONCE(ns->nr_bad, ns->nr_bad + 1);
			i++;
		} else if (extent->lba < lba) {
			/*
			 * Without room for two the rest counts as good: what
			 * was written must be readable.
			 */
			extent->nr = lba - extent->lba;
			i++;
		} else if (end > lba + nr) {
			extent->lba = lba + nr;
			extent->nr = end - extent->lba;
			i++;
		} else {
			*extent = ns->bad[ns->nr_bad - 1];
			WRITE_ONCE(ns->nr_bad, ns->nr_bad - 1);
		}
	}
}

/**
 * nvmev_ns_clear_bad() - blocks have been written and are readable again
 * @ns: the namespace
 * @lba: the first block
 * @nr: how many
 *
 * Context: a worker.
 */
void nvmev_ns_clear_bad(struct nvmev_ns *ns, u64 lba, u64 nr)
{
	if (likely(!READ_ONCE(ns->nr_bad)) || !nr)
		return;
	spin_lock(&ns->bad_lock);
	nvmev_ns_clear_bad_locked(ns, lba, nr);
	spin_unlock(&ns->bad_lock);
}

/**
 * nvmev_ns_mark_bad() - make blocks unreadable
 * @ns: the namespace
 * @lba: the first block
 * @nr: how many
 *
 * Context: a worker.
 * Return: 0, or Capacity Exceeded when there are too many extents.
 */
u16 nvmev_ns_mark_bad(struct nvmev_ns *ns, u64 lba, u64 nr)
{
	unsigned int nr_bad, i = 0;
	u16 status = NVME_SC_SUCCESS;
	u64 end = lba + nr;

	spin_lock(&ns->bad_lock);
	nr_bad = ns->nr_bad;
	/* No two of them touch: those that these touch become one with them */
	while (i < nr_bad) {
		struct nvmev_extent *extent = &ns->bad[i];

		if (extent->lba > end || lba > extent->lba + extent->nr) {
			i++;
			continue;
		}
		lba = min(lba, extent->lba);
		end = max(end, extent->lba + extent->nr);
		*extent = ns->bad[--nr_bad];
	}
	/* Cutting some out of an extent later may need one more */
	if (nr_bad >= NVMEV_MAX_BAD - 1 && nr_bad == ns->nr_bad) {
		status = NVME_SC_CAP_EXCEEDED;
	} else {
		ns->bad[nr_bad].lba = lba;
		ns->bad[nr_bad].nr = end - lba;
		WRITE_ONCE(ns->nr_bad, nr_bad + 1);
	}
	spin_unlock(&ns->bad_lock);
	return status;
}
