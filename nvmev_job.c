// SPDX-License-Identifier: GPL-2.0
/*
 * Admin commands that make, change and erase namespaces (NVMe 1.4, 5.19, 5.20
 * and 5.23). Erasing takes long, so it is a job that the controller thread
 * does a slice at a time, between two looks at the registers.
 *
 * Runs in the controller thread.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "nvmev_admin.h"

/* Bytes erased between two looks at the registers and the admin queue */
#define NVMEV_FORMAT_SLICE	SZ_4M

/* --- namespace management, 5.19 and 5.20 ---------------------------------- */

/* The host learns by an event that it should look again, if it asked to */
static void nvmev_ns_changed(struct nvmev_dev *dev, const struct nvmev_ns *ns)
{
	__set_bit(ns->nsid - 1, &dev->admin.changed_ns);
	if (dev->admin.features.async_event & NVME_AEC_NS_ATTR)
		nvmev_admin_event(dev, NVME_AER_TYPE_NOTICE,
				  NVME_AER_NOTICE_NS_CHANGED);
}

static u8 nvmev_format_shift(u32 format)
{
	return format ? NVMEV_LBA_SHIFT_LAST : NVMEV_LBA_SHIFT_FIRST;
}

/* nvmev_admin_work() erases these namespaces and completes the command */
static void nvmev_format_start(struct nvmev_dev *dev,
			       const struct nvme_command *cmd,
			       unsigned long nsids, u8 lba_shift)
{
	struct nvmev_job *job = &dev->admin.job;

	memset(job, 0, sizeof(*job));
	job->nsids = nsids;
	job->lba_shift = lba_shift;
	job->cid = cmd->cid;
	job->held = true;
	job->running = true;
}

static u16 nvmev_ns_mgmt_create(struct nvmev_dev *dev,
				const struct nvme_command *cmd,
				struct nvmev_admin_result *result)
{
	struct nvme_id_ns *id = nvmev_admin_buf(dev);
	u8 lba_shift;
	u16 status;
	u64 nr_lba;
	u32 nsid;

	status = nvmev_prp_read(dev, cmd, 0, id, NVME_IDENTIFY_SIZE);
	if (status)
		return status;
	nr_lba = le64_to_cpu(id->nsze);
	if ((id->flbas & 0xf) >= NVMEV_LBA_FORMATS || id->flbas >> 4 ||
	    id->dps)
		return NVME_SC_INVALID_FORMAT | NVME_SC_DNR;
	if (le64_to_cpu(id->ncap) < nr_lba)
		return NVME_SC_THIN_PROV_NOT_SUPP | NVME_SC_DNR;
	/* Nor more than that, and not shared */
	if (!nr_lba || id->nsze != id->ncap || id->nmic)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (dev->admin.job.running)
		return NVME_SC_FORMAT_IN_PROGRESS;
	lba_shift = nvmev_format_shift(id->flbas & 0xf);
	status = nvmev_ns_create(dev, nr_lba, lba_shift, &nsid);
	if ((status & NVME_SC_MASK) == NVME_SC_NS_INSUFFICIENT_CAP &&
	    nr_lba <= U64_MAX >> lba_shift)
		/* The capacity that it would have taken, in bytes: 5.20.1 */
		result->error.cs = nr_lba << lba_shift;
	if (status)
		return status;
	/* Nobody shall read what an earlier namespace held here */
	nvmev_format_start(dev, cmd, BIT(nsid - 1), lba_shift);
	dev->admin.job.dw0 = nsid;
	result->held = true;
	return NVME_SC_SUCCESS;
}

static u16 nvmev_ns_mgmt_delete(struct nvmev_dev *dev, u32 nsid)
{
	struct nvmev_ns *ns;
	unsigned int i;

	if (nsid != NVME_NSID_ALL && !nvmev_ns_find_allocated(dev, nsid))
		return nvmev_ns_missing(nsid);
	if (dev->admin.job.running)
		return NVME_SC_FORMAT_IN_PROGRESS;
	for (i = 0; i < NVMEV_MAX_NS; i++) {
		ns = &dev->ns[i];
		if (!ns->nsid || (nsid != NVME_NSID_ALL && ns->nsid != nsid))
			continue;
		if (ns->attached)
			nvmev_ns_changed(dev, ns);
		nvmev_self_test_abort_ns(dev, ns->nsid,
					 NVME_SELF_TEST_BY_NS_REMOVAL);
		nvmev_ns_delete(dev, ns);
	}
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_admin_ns_mgmt() - execute Namespace Management
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_ns_mgmt(struct nvmev_dev *dev, const struct nvme_command *cmd,
			struct nvmev_admin_result *result)
{
	switch (FIELD_GET(NVME_NS_MGMT_SEL, nvmev_cdw(cmd, 10))) {
	case NVME_NS_MGMT_CREATE:
		return nvmev_ns_mgmt_create(dev, cmd, result);
	case NVME_NS_MGMT_DELETE:
		return nvmev_ns_mgmt_delete(dev, le32_to_cpu(cmd->nsid));
	default:
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_FIELD);
	}
}

/**
 * nvmev_admin_ns_attach() - execute Namespace Attachment
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_ns_attach(struct nvmev_dev *dev, const struct nvme_command *cmd,
			  struct nvmev_admin_result *result)
{
	u32 sel = FIELD_GET(NVME_NS_MGMT_SEL, nvmev_cdw(cmd, 10));
	struct nvmev_ns *ns = nvmev_ns_find_allocated(dev,
						      le32_to_cpu(cmd->nsid));
	__le16 list[2];
	u16 status;

	if (sel > NVME_NS_ATTACH_DETACH)
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_FIELD);
	if (!ns)
		return nvmev_ns_missing(le32_to_cpu(cmd->nsid));
	status = nvmev_prp_read(dev, cmd, 0, list, sizeof(list));
	if (status)
		return status;
	if (le16_to_cpu(list[0]) != 1 || le16_to_cpu(list[1]) != NVMEV_CNTLID)
		return NVME_SC_CTRL_LIST_INVALID | NVME_SC_DNR;
	if (sel == NVME_NS_ATTACH_ATTACH && ns->attached)
		return NVME_SC_NS_ALREADY_ATTACHED | NVME_SC_DNR;
	if (sel == NVME_NS_ATTACH_DETACH && !ns->attached)
		return NVME_SC_NS_NOT_ATTACHED | NVME_SC_DNR;
	status = nvmev_ns_busy(ns);
	if (status)
		return status;
	if (sel == NVME_NS_ATTACH_DETACH)
		nvmev_self_test_abort_ns(dev, ns->nsid,
					 NVME_SELF_TEST_BY_NS_REMOVAL);
	nvmev_ns_set_attached(dev, ns, sel == NVME_NS_ATTACH_ATTACH);
	nvmev_ns_changed(dev, ns);
	return NVME_SC_SUCCESS;
}

/* --- Format NVM, 5.23 -------------------------------------------------------- */

/**
 * nvmev_admin_format() - execute Format NVM
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_format(struct nvmev_dev *dev, const struct nvme_command *cmd,
		       struct nvmev_admin_result *result)
{
	u32 cdw10 = nvmev_cdw(cmd, 10);
	u32 lbaf = FIELD_GET(NVME_FORMAT_LBAF, cdw10);
	u32 nsid = le32_to_cpu(cmd->nsid);
	unsigned long nsids = 0;
	unsigned int i;

	if (dev->admin.job.running)
		return NVME_SC_FORMAT_IN_PROGRESS;
	if (lbaf >= NVMEV_LBA_FORMATS || FIELD_GET(NVME_FORMAT_PI, cdw10))
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_FORMAT);
	if (FIELD_GET(NVME_FORMAT_SES, cdw10) > NVME_FORMAT_SES_CRYPTO)
		return nvmev_blame(result, NVMEV_AT(cdw10) + 1,
				   NVME_SC_INVALID_FIELD);
	if (nsid != NVME_NSID_ALL && !nvmev_ns_find(dev, nsid))
		return nvmev_ns_missing(nsid);

	for (i = 0; i < NVMEV_MAX_NS; i++) {
		struct nvmev_ns *ns = &dev->ns[i];

		/* FFFFFFFFh: all that are attached */
		if (!ns->attached || (nsid != NVME_NSID_ALL && ns->nsid != nsid))
			continue;
		/* Smaller than one block of the format */
		if (!(ns->bytes >> nvmev_format_shift(lbaf)))
			return nvmev_blame(result, NVMEV_AT(cdw10),
					   NVME_SC_INVALID_FORMAT);
		__set_bit(i, &nsids);
	}
	for_each_set_bit(i, &nsids, NVMEV_MAX_NS) {
		nvmev_self_test_abort_ns(dev, i + 1, NVME_SELF_TEST_BY_FORMAT);
		nvmev_ns_quiesce(dev, &dev->ns[i], NVME_SC_FORMAT_IN_PROGRESS);
	}
	nvmev_format_start(dev, cmd, nsids, nvmev_format_shift(lbaf));
	result->held = true;
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_format_remains() - how much of a namespace has still to be formatted
 * @dev: the device
 * @ns: the namespace
 *
 * Return: a percentage, 0 when no format is in progress there.
 */
u8 nvmev_format_remains(struct nvmev_dev *dev, const struct nvmev_ns *ns)
{
	const struct nvmev_job *job = &dev->admin.job;
	u64 left = ns->bytes;

	if (!test_bit(ns->nsid - 1, &job->nsids))
		return 0;
	if (__ffs(job->nsids) == ns->nsid - 1)
		left -= job->pos;
	/* Something remains until all is done */
	return DIV64_U64_ROUND_UP(left * 100, max(ns->bytes, 1ULL));
}

/* Erases a slice; a format always erases, whatever SES says */
static void nvmev_format_slice(struct nvmev_dev *dev, struct nvmev_job *job)
{
	unsigned int i = __ffs(job->nsids);
	struct nvmev_ns *ns = &dev->ns[i];
	u64 len = min_t(u64, ns->bytes - job->pos, NVMEV_FORMAT_SLICE);

	memset(dev->storage + ns->offset + job->pos, 0, len);
	job->pos += len;
	if (job->pos < ns->bytes)
		return;

	nvmev_ns_set_format(ns, job->lba_shift);
	nvmev_ns_ready(ns);
	if (ns->attached)
		nvmev_ns_changed(dev, ns);
	job->pos = 0;
	__clear_bit(i, &job->nsids);
}

/**
 * nvmev_admin_work() - a slice of what takes longer
 * @dev: the device
 *
 * It goes on through a reset, after which nobody waits for its completion.
 *
 * Context: the controller thread.
 * Return: whether there is anything to do.
 */
bool nvmev_admin_work(struct nvmev_dev *dev)
{
	struct nvmev_admin *admin = &dev->admin;
	struct nvmev_job *job = &admin->job;

	nvmev_self_test_poll(dev);
	if (likely(!job->running))
		return nvmev_sanitize_work(dev);
	if (job->nsids) {
		nvmev_format_slice(dev, job);
		return true;
	}
	if (job->held) {
		if (nvmev_cq_full(dev, admin->cq))
			return true;
		nvmev_cq_post(dev, admin->cq, admin->sq, job->cid, job->dw0,
			      NVME_SC_SUCCESS);
		nvmev_cq_signal(dev, admin->cq, 0);
		job->held = false;
	}
	job->running = false;
	return true;
}
