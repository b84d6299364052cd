// SPDX-License-Identifier: GPL-2.0
/*
 * Sanitize (NVMe 1.4, 5.24 and 8.15): all of the storage is erased or
 * overwritten, whether it is in a namespace or not, behind the host's back. It
 * goes on through resets and cannot fail.
 *
 * Runs in the controller thread.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "nvmev_admin.h"

/* Bytes written between two looks at the registers and the admin queue */
#define NVMEV_SANITIZE_SLICE	SZ_4M

/* What may have changed a block since load: it differs after any such thing */
static u64 nvmev_sanitize_changes(struct nvmev_dev *dev)
{
	u64 changes = 0;
	unsigned int w;

	for (w = 0; w < dev->config.nr_workers; w++)
		changes += READ_ONCE(dev->workers[w].host_writes) +
			   READ_ONCE(dev->workers[w].changes);
	return changes;
}

/* The passes of an overwrite; 8.15 has which of them are inverted */
static void nvmev_sanitize_overwrite(struct nvmev_sanitize *sanitize,
				     u32 pattern)
{
	sanitize->overwrites = FIELD_GET(NVME_SANITIZE_OWPASS, sanitize->cdw10);
	if (!sanitize->overwrites)
		sanitize->overwrites = 16;
	sanitize->pattern = pattern;
	/* The last one writes the pattern itself */
	if (sanitize->cdw10 & NVME_SANITIZE_OIPBP &&
	    sanitize->overwrites % 2 == 0)
		sanitize->pattern = ~pattern;
	sanitize->passes = sanitize->overwrites;
	/* What is deallocated reads as zeroes */
	if (!(sanitize->cdw10 & NVME_SANITIZE_NO_DEALLOC))
		sanitize->passes++;
}

/**
 * nvmev_admin_sanitize() - execute Sanitize
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_sanitize(struct nvmev_dev *dev, const struct nvme_command *cmd,
			 struct nvmev_admin_result *result)
{
	struct nvmev_sanitize *sanitize = &dev->admin.sanitize;
	u32 cdw10 = nvmev_cdw(cmd, 10);
	u8 action = FIELD_GET(NVME_SANITIZE_ACTION, cdw10);
	unsigned int i;

	if (action < NVME_SANITIZE_EXIT_FAILURE ||
	    action > NVME_SANITIZE_CRYPTO_ERASE)
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_FIELD);
	if (dev->admin.job.running)
		return NVME_SC_FORMAT_IN_PROGRESS;
	/* No operation has failed, so that there is nothing to be left */
	if (action == NVME_SANITIZE_EXIT_FAILURE)
		return NVME_SC_SUCCESS;

	nvmev_self_test_abort(dev, NVME_SELF_TEST_BY_SANITIZE);
	memset(sanitize, 0, sizeof(*sanitize));
	sanitize->cdw10 = cdw10;
	sanitize->passes = 1;
	if (action == NVME_SANITIZE_OVERWRITE)
		nvmev_sanitize_overwrite(sanitize, nvmev_cdw(cmd, 11));
	sanitize->status = NVME_SANITIZE_RUNNING;
	/* Flush of all namespaces looks at this, other commands at @busy */
	WRITE_ONCE(sanitize->running, true);
	nvmev_admin_forget_event(dev, NVME_AER_TYPE_IO);
	for (i = 0; i < NVMEV_MAX_NS; i++)
		if (dev->ns[i].nsid)
			nvmev_ns_quiesce(dev, &dev->ns[i],
					 NVME_SC_SANITIZE_IN_PROGRESS);
	return NVME_SC_SUCCESS;
}

static void nvmev_sanitize_end(struct nvmev_dev *dev)
{
	struct nvmev_sanitize *sanitize = &dev->admin.sanitize;
	unsigned int i;

	sanitize->status = NVME_SANITIZE_DONE;
	sanitize->changes = nvmev_sanitize_changes(dev);
	WRITE_ONCE(sanitize->running, false);
	for (i = 0; i < NVMEV_MAX_NS; i++) {
		struct nvmev_ns *ns = &dev->ns[i];

		if (!ns->nsid)
			continue;
		/* Forgets the blocks that cannot be read */
		nvmev_ns_set_format(ns, ns->lba_shift);
		nvmev_ns_ready(ns);
	}
	nvmev_admin_event(dev, NVME_AER_TYPE_IO, NVME_AER_IO_SANITIZED);
}

/**
 * nvmev_sanitize_work() - a slice of the sanitize operation
 * @dev: the device
 *
 * Context: the controller thread.
 * Return: whether there is one.
 */
bool nvmev_sanitize_work(struct nvmev_dev *dev)
{
	struct nvmev_sanitize *sanitize = &dev->admin.sanitize;
	u64 len = min_t(u64, dev->storage_bytes - sanitize->pos,
			NVMEV_SANITIZE_SLICE);

	if (likely(!sanitize->running))
		return false;
	if (sanitize->pass < sanitize->overwrites)
		memset32(dev->storage + sanitize->pos,
			 (__force u32)cpu_to_le32(sanitize->pattern), len / 4);
	else
		memset(dev->storage + sanitize->pos, 0, len);
	sanitize->pos += len;
	if (sanitize->pos < dev->storage_bytes)
		return true;

	sanitize->pos = 0;
	if (sanitize->cdw10 & NVME_SANITIZE_OIPBP)
		sanitize->pattern = ~sanitize->pattern;
	if (++sanitize->pass == sanitize->passes)
		nvmev_sanitize_end(dev);
	return true;
}

/**
 * nvmev_log_sanitize() - the Sanitize Status log, 5.14.1.16.2
 * @dev: the device
 * @log: where to put it, zeroed
 *
 * Context: the controller thread.
 */
void nvmev_log_sanitize(struct nvmev_dev *dev, struct nvme_sanitize_log *log)
{
	const struct nvmev_sanitize *sanitize = &dev->admin.sanitize;
	u64 total = sanitize->passes * dev->storage_bytes;
	u64 done = sanitize->pass * dev->storage_bytes + sanitize->pos;
	u16 sprog = NVME_SANITIZE_NO_PROGRESS;
	u16 sstat = sanitize->status;
	unsigned int i;

	/* In 65536ths; the storage is at least a MiB */
	if (sanitize->running)
		sprog = div64_u64(done, DIV_ROUND_UP_ULL(total, 65536));
	sstat |= FIELD_PREP(NVME_SANITIZE_PASSES,
			    min(sanitize->pass, sanitize->overwrites));
	if (sanitize->status == NVME_SANITIZE_DONE &&
	    sanitize->changes == nvmev_sanitize_changes(dev))
		sstat |= NVME_SANITIZE_ALL_ERASED;
	log->sprog = cpu_to_le16(sprog);
	log->sstat = cpu_to_le16(sstat);
	log->scdw10 = cpu_to_le32(sanitize->cdw10);
	for (i = 0; i < ARRAY_SIZE(log->estimates); i++)
		log->estimates[i] = cpu_to_le32(NVME_SANITIZE_NO_ESTIMATE);
}
