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
#include <linux/minmax.h>
#include <linux/string.h>

#include "nvmev_admin.h"
#include "nvmev_compat.h"

/* SMART counts data in thousands of 512 byte units, rounded up, 5.14.1.2 */
#define NVMEV_SMART_UNIT	512000

/**
 * nvmev_admin_log_error() - remember a failed command in the error log
 * @dev: the device
 * @sq: its submission queue
 * @cmd: the command
 * @status: its status, without the phase tag
 * @lba: the block that it began with, 0 for admin commands
 *
 * Context: the owner of @sq. Takes error_lock.
 */
void nvmev_admin_log_error(struct nvmev_dev *dev, const struct nvmev_sq *sq,
			   const struct nvme_command *cmd, u16 status, u64 lba)
{
	struct nvme_error_log_entry *entry;

	spin_lock(&dev->error_lock);
	entry = &dev->errors[dev->nr_errors % NVMEV_ERROR_LOG_ENTRIES];
	memset(entry, 0, sizeof(*entry));
	entry->error_count = cpu_to_le64(++dev->nr_errors);
	entry->sqid = cpu_to_le16(sq->qid);
	entry->cid = cmd->cid;
	entry->status = cpu_to_le16(status << 1);
	/* No one field is blamed */
	entry->param_error_location = cpu_to_le16(U16_MAX);
	entry->lba = cpu_to_le64(lba);
	entry->nsid = cmd->nsid;
	spin_unlock(&dev->error_lock);
}

/* Newest first */
static void nvmev_log_errors(struct nvmev_dev *dev,
			     struct nvme_error_log_entry *log)
{
	unsigned int i;

	spin_lock(&dev->error_lock);
	for (i = 0; i < min_t(u64, dev->nr_errors, NVMEV_ERROR_LOG_ENTRIES);
	     i++)
		log[i] = dev->errors[(dev->nr_errors - 1 - i) %
				     NVMEV_ERROR_LOG_ENTRIES];
	spin_unlock(&dev->error_lock);
}

static void nvmev_log_smart(struct nvmev_dev *dev, struct nvme_smart_log *log)
{
	u64 read = 0, written = 0, reads = 0, writes = 0;
	unsigned int w;

	for (w = 0; w < dev->config.nr_workers; w++) {
		const struct nvmev_worker *worker = &dev->workers[w];

		read += READ_ONCE(worker->bytes_read);
		written += READ_ONCE(worker->bytes_written);
		reads += READ_ONCE(worker->host_reads);
		writes += READ_ONCE(worker->host_writes);
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
	put_unaligned_le64(1, log->power_cycles);
	put_unaligned_le64(div64_u64(nvmev_clock_ns() - dev->load_ns,
				     3600ULL * NSEC_PER_SEC),
			   log->power_on_hours);
	spin_lock(&dev->error_lock);
	put_unaligned_le64(dev->nr_errors, log->num_err_log_entries);
	spin_unlock(&dev->error_lock);
}

static void nvmev_log_fw_slot(struct nvme_fw_slot_log *log)
{
	log->afi = 1;
	nvmev_pad_string(log->frs[0], sizeof(log->frs[0]), NVMEV_FIRMWARE);
}

static void nvmev_log_effects(struct nvme_effects_log *log)
{
	nvmev_admin_effects(log->acs);
	nvmev_nvm_effects(log->iocs);
}

/* Reading it begins it anew */
static void nvmev_log_changed_ns(struct nvmev_dev *dev, __le32 *list)
{
	unsigned int i, nr = 0;

	for_each_set_bit(i, &dev->admin.changed_ns, NVMEV_MAX_NS)
		list[nr++] = cpu_to_le32(i + 1);
}

static void nvmev_admin_clear_events(struct nvmev_dev *dev, u8 lid)
{
	struct nvmev_admin *admin = &dev->admin;

	switch (lid) {
	case NVME_LOG_ERROR:
		__clear_bit(NVME_AER_TYPE_ERROR, &admin->masked);
		break;
	case NVME_LOG_SMART:
		__clear_bit(NVME_AER_TYPE_SMART, &admin->masked);
		break;
	case NVME_LOG_CHANGED_NS:
		__clear_bit(NVME_AER_TYPE_NOTICE, &admin->masked);
		admin->changed_ns = 0;
		break;
	}
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

	if (dwords * 4 > NVMEV_MAX_TRANSFER || offset % 4)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	switch (lid) {
	case NVME_LOG_ERROR:
		nvmev_log_errors(dev, buf);
		size = sizeof(dev->errors);
		break;
	case NVME_LOG_SMART:
		/* LPA bit 0: only the controller as a whole has this log */
		if (nsid && nsid != NVME_NSID_ALL)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
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
		nvmev_log_effects(buf);
		size = sizeof(struct nvme_effects_log);
		break;
	default:
		return NVME_SC_INVALID_LOG_PAGE | NVME_SC_DNR;
	}
	if (offset > size)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	status = nvmev_prp_write(dev, cmd, buf + offset, size - offset,
				 dwords * 4);
	/* Reading a log clears the events that point to it, unless RAE */
	if (!status && !(cdw10 & NVME_LOG_RAE))
		nvmev_admin_clear_events(dev, lid);
	return status;
}
