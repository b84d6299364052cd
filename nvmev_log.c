// SPDX-License-Identifier: GPL-2.0
/*
 * The log pages (NVMe 1.4, 5.14).
 *
 * Runs in the controller thread; nvmev_admin_log_error() alone is called by
 * the workers as well.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "nvmev_admin.h"

/* SMART counts data in thousands of 512 byte units, rounded up, 5.14.1.2 */
#define NVMEV_SMART_UNIT	512000

/* A longer time between two looks was no time of work: 10 ms */
#define NVMEV_BUSY_MAX_NS	(10 * NSEC_PER_MSEC)

/* The byte of a command that its status alone points to */
static u16 nvmev_error_location(const struct nvme_command *cmd, u16 qid,
				u16 status)
{
	switch (status & NVME_SC_MASK) {
	case NVME_SC_INVALID_OPCODE:
		return NVMEV_AT(opcode);
	case NVME_SC_INVALID_NS:
		return NVMEV_AT(nsid);
	case NVME_SC_LBA_RANGE:
		/* SLBA, unless the ranges are in the data */
		return qid && (cmd->opcode == NVME_NVM_DSM ||
			       cmd->opcode == NVME_NVM_COPY) ?
			       NVMEV_NO_LOCATION : NVMEV_AT(cdw10);
	case NVME_SC_PRP_OFFSET_INVALID:
		/* Otherwise PRP2 or an entry of a list */
		return le64_to_cpu(cmd->prp1) % 4 ? NVMEV_AT(prp1) :
						    NVMEV_NO_LOCATION;
	default:
		return NVMEV_NO_LOCATION;
	}
}

static struct nvme_error_log_entry *nvmev_error_new(struct nvmev_dev *dev)
{
	struct nvme_error_log_entry *entry;

	lockdep_assert_held(&dev->error_lock);
	entry = &dev->errors[dev->nr_errors % NVMEV_ERROR_LOG_ENTRIES];
	memset(entry, 0, sizeof(*entry));
	entry->error_count = cpu_to_le64(++dev->nr_errors);
	entry->param_error_location = cpu_to_le16(NVMEV_NO_LOCATION);
	return entry;
}

/**
 * nvmev_log_error() - remember a failed command in the error log
 * @dev: the device
 * @sq: its submission queue
 * @cmd: the command
 * @status: its status, without the phase tag
 * @error: what else is known of the error
 *
 * Context: the owner of @sq. Takes error_lock.
 * Return: the status to be reported: with the More bit, when the log tells
 * what the completion does not (4.6.1).
 */
u16 nvmev_log_error(struct nvmev_dev *dev, const struct nvmev_sq *sq,
		    const struct nvme_command *cmd, u16 status,
		    const struct nvmev_error *error)
{
	struct nvme_error_log_entry *entry;
	u16 location = error->location;

	if (location == NVMEV_NO_LOCATION)
		location = nvmev_error_location(cmd, sq->qid, status);
	if (location != NVMEV_NO_LOCATION || error->cs)
		status |= NVME_SC_MORE;

	spin_lock(&dev->error_lock);
	entry = nvmev_error_new(dev);
	entry->sqid = cpu_to_le16(sq->qid);
	entry->cid = cmd->cid;
	entry->status = cpu_to_le16(status << 1);
	entry->param_error_location = cpu_to_le16(location);
	entry->lba = cpu_to_le64(error->lba);
	entry->nsid = cmd->nsid;
	entry->cs = cpu_to_le64(error->cs);
	spin_unlock(&dev->error_lock);
	return status;
}

/**
 * nvmev_log_event_error() - remember an error that no command has made
 * @dev: the device
 *
 * Context: the controller thread. Takes error_lock.
 */
void nvmev_log_event_error(struct nvmev_dev *dev)
{
	struct nvme_error_log_entry *entry;

	spin_lock(&dev->error_lock);
	entry = nvmev_error_new(dev);
	entry->sqid = cpu_to_le16(NVME_ERROR_NO_COMMAND);
	entry->cid = cpu_to_le16(NVME_ERROR_NO_COMMAND);
	spin_unlock(&dev->error_lock);
}

/* Newest first */
static void nvmev_log_errors(struct nvmev_dev *dev,
			     struct nvme_error_log_entry *log)
{
	unsigned int i;

	spin_lock(&dev->error_lock);
	for (i = 0; i < min_t(u64, dev->nr_errors, NVMEV_ERROR_LOG_ENTRIES);
	     i++) {
		log[i] = dev->errors[(dev->nr_errors - 1 - i) %
				     NVMEV_ERROR_LOG_ENTRIES];
		/* Where data was is not told while it is erased: 8.15.1 */
		if (dev->admin.sanitize.running)
			log[i].lba = 0;
	}
	spin_unlock(&dev->error_lock);
}

/**
 * nvmev_log_busy() - look whether I/O commands are in flight
 * @dev: the device
 * @now_ns: the time
 *
 * SMART counts the minutes in which there were any (Controller Busy Time,
 * 5.14.1.2). Looking every other millisecond tells that well enough, and costs
 * the workers nothing.
 *
 * Context: the controller thread.
 */
void nvmev_log_busy(struct nvmev_dev *dev, u64 now_ns)
{
	u64 since_ns = min_t(u64, now_ns - dev->busy_seen_ns,
			     NVMEV_BUSY_MAX_NS);
	bool busy = false;
	unsigned int w, kind;

	for (w = 0; w < dev->config.nr_workers; w++)
		for (kind = 0; kind < NVMEV_KINDS; kind++)
			busy |= READ_ONCE(dev->workers[w].stat[kind].in_flight);
	if (busy)
		dev->busy_ns += since_ns;
	dev->busy_seen_ns = now_ns;
}

/**
 * nvmev_power_on_hours() - whole hours since the module was loaded
 * @dev: the device
 */
u64 nvmev_power_on_hours(struct nvmev_dev *dev)
{
	return div64_u64(nvmev_clock_ns() - dev->load_ns,
			 3600ULL * NSEC_PER_SEC);
}

static void nvmev_log_smart(struct nvmev_dev *dev, struct nvme_smart_log *log)
{
	u64 read = 0, written = 0, reads = 0, writes = 0, media_errors = 0;
	unsigned int w;

	for (w = 0; w < dev->config.nr_workers; w++) {
		const struct nvmev_worker *worker = &dev->workers[w];

		read += READ_ONCE(worker->bytes_read);
		written += READ_ONCE(worker->bytes_written);
		reads += READ_ONCE(worker->host_reads);
		writes += READ_ONCE(worker->host_writes);
		media_errors += READ_ONCE(worker->media_errors);
	}

	log->critical_warning = nvmev_critical_warning(dev);
	put_unaligned_le16(NVMEV_TEMPERATURE, &log->temperature);
	log->avail_spare = 100;
	log->spare_thresh = 10;
	put_unaligned_le64(DIV_ROUND_UP_ULL(read, NVMEV_SMART_UNIT),
			   log->data_units_read);
	put_unaligned_le64(DIV_ROUND_UP_ULL(written, NVMEV_SMART_UNIT),
			   log->data_units_written);
	put_unaligned_le64(reads, log->host_reads);
	put_unaligned_le64(writes, log->host_writes);
	put_unaligned_le64(div64_u64(dev->busy_ns, 60ULL * NSEC_PER_SEC),
			   log->ctrl_busy_time);
	/* The module is the power: it has come once, and was not lost since */
	put_unaligned_le64(1, log->power_cycles);
	put_unaligned_le64(nvmev_power_on_hours(dev), log->power_on_hours);
	put_unaligned_le64(media_errors, log->media_errors);
	spin_lock(&dev->error_lock);
	put_unaligned_le64(dev->nr_errors, log->num_err_log_entries);
	spin_unlock(&dev->error_lock);
}

static void nvmev_log_fw_slot(struct nvme_fw_slot_log *log)
{
	log->afi = 1;
	nvmev_pad_string(log->frs[0], sizeof(log->frs[0]), NVMEV_FIRMWARE);
}

static void nvmev_log_effects(struct nvmev_dev *dev,
			      struct nvme_effects_log *log)
{
	nvmev_admin_effects(dev, log->acs);
	nvmev_nvm_effects(log->iocs);
}

static void nvmev_log_changed_ns(struct nvmev_dev *dev, __le32 *list)
{
	unsigned int i, nr = 0;

	for_each_set_bit(i, &dev->admin.changed_ns, NVMEV_MAX_NS)
		list[nr++] = cpu_to_le32(i + 1);
}

/* What can be read during a sanitize operation, 8.15.1 */
static bool nvmev_log_while_sanitizing(u8 lid)
{
	return lid == NVME_LOG_ERROR || lid == NVME_LOG_SMART ||
	       lid == NVME_LOG_CHANGED_NS || lid == NVME_LOG_SANITIZE;
}

/**
 * nvmev_admin_get_log_page() - execute Get Log Page
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_get_log_page(struct nvmev_dev *dev,
			     const struct nvme_command *cmd,
			     struct nvmev_admin_result *result)
{
	u32 cdw10 = nvmev_cdw(cmd, 10);
	u64 dwords = (cdw10 >> 16 | (nvmev_cdw(cmd, 11) & 0xffff) << 16) + 1ULL;
	u64 offset = nvmev_cdw(cmd, 12) | (u64)nvmev_cdw(cmd, 13) << 32;
	u32 nsid = le32_to_cpu(cmd->nsid);
	void *buf = nvmev_admin_buf(dev);
	u8 lid = cdw10;
	u32 size;
	u16 status;

	if (dwords * 4 > NVMEV_MAX_TRANSFER)
		return nvmev_blame(result, NVMEV_AT(cdw10) + 2,
				   NVME_SC_INVALID_FIELD);
	if (offset % 4)
		return nvmev_blame(result, NVMEV_AT(cdw12),
				   NVME_SC_INVALID_FIELD);

	switch (lid) {
	case NVME_LOG_ERROR:
		nvmev_log_errors(dev, buf);
		size = sizeof(dev->errors);
		break;
	case NVME_LOG_SMART:
		nvmev_log_smart(dev, buf);
		size = sizeof(struct nvme_smart_log);
		break;
	case NVME_LOG_FW_SLOT:
		nvmev_log_fw_slot(buf);
		size = sizeof(struct nvme_fw_slot_log);
		break;
	case NVME_LOG_CHANGED_NS:
		nvmev_log_changed_ns(dev, buf);
		size = NVME_IDENTIFY_SIZE;
		break;
	case NVME_LOG_CMD_EFFECTS:
		nvmev_log_effects(dev, buf);
		size = sizeof(struct nvme_effects_log);
		break;
	case NVME_LOG_SELF_TEST:
		nvmev_log_self_test(dev, buf);
		size = sizeof(struct nvme_self_test_log);
		break;
	case NVME_LOG_SANITIZE:
		nvmev_log_sanitize(dev, buf);
		size = sizeof(struct nvme_sanitize_log);
		break;
	default:
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_LOG_PAGE);
	}
	if (dev->admin.sanitize.running && !nvmev_log_while_sanitizing(lid))
		return NVME_SC_SANITIZE_IN_PROGRESS;
	/* All of them are of the controller as a whole; LPA bit 0 for SMART */
	if (nsid && nsid != NVME_NSID_ALL)
		return nvmev_blame(result, NVMEV_AT(nsid),
				   NVME_SC_INVALID_FIELD);
	if (offset > size)
		return nvmev_blame(result, NVMEV_AT(cdw12),
				   NVME_SC_INVALID_FIELD);

	status = nvmev_prp_write(dev, cmd, buf + offset, size - offset,
				 dwords * 4);
	/* Reading a log clears the events that point to it, unless RAE */
	if (!status && !(cdw10 & NVME_LOG_RAE)) {
		nvmev_admin_clear_events(dev, lid);
		if (lid == NVME_LOG_CHANGED_NS)
			dev->admin.changed_ns = 0;
	}
	return status;
}
