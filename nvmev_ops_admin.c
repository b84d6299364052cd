// SPDX-License-Identifier: GPL-2.0
/*
 * The admin command set (NVMe 1.4, 5): dispatch, I/O queues, events and Abort.
 * What the host reads and sets is in nvmev_identify.c, nvmev_log.c and
 * nvmev_features.c, what changes namespaces in nvmev_job.c.
 *
 * Everything runs in the controller thread, which owns the admin queue, the
 * features and the tables of queues; workers are reached through
 * nvmev_worker_call() alone.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "nvmev_admin.h"

/* Bits of nvmev_admin.events and .masked, the event types of 5.2 */
#define NVMEV_AEN_BITS		(NVME_AER_TYPE_NOTICE + 1)

/**
 * nvmev_admin_buf() - the page in which data structures are built, zeroed
 * @dev: the device
 */
void *nvmev_admin_buf(struct nvmev_dev *dev)
{
	return memset(dev->admin.buf, 0, NVME_IDENTIFY_SIZE);
}

/**
 * nvmev_admin_data() - hand what nvmev_admin_buf() has to the host
 * @dev: the device
 * @cmd: the command
 * @len: its length in bytes
 *
 * Return: 0 or the status of a bad PRP entry.
 */
u16 nvmev_admin_data(struct nvmev_dev *dev, const struct nvme_command *cmd,
		     u32 len)
{
	return nvmev_prp_write(dev, cmd, dev->admin.buf, len, len);
}

/**
 * nvmev_pad_string() - strings for the host: padded with blanks, no NUL
 * @field: where to put it
 * @size: the size of that
 * @string: the string
 */
void nvmev_pad_string(char *field, size_t size, const char *string)
{
	size_t len = min(strlen(string), size);

	memset(field, ' ', size);
	memcpy(field, string, len);
}

/* --- queues, 5.3 to 5.6 -------------------------------------------------- */

static u16 nvmev_admin_queue_error(int err)
{
	return err == -EFAULT ? NVME_SC_DATA_XFER_ERROR : NVME_SC_INTERNAL;
}

static u16 nvmev_admin_create_cq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);
	u32 size = (nvmev_cdw(cmd, 10) >> 16) + 1;
	u16 vector = nvmev_cdw(cmd, 11) >> 16;
	u64 addr = le64_to_cpu(cmd->prp1);
	struct nvmev_cq *cq;
	int err;

	if (!qid || qid > dev->config.queues || dev->cqs[qid])
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (size < 2 || size > dev->config.queue_depth ||
	    FIELD_GET(NVME_CC_IOCQES, dev->cc) != NVME_CQES)
		return NVME_SC_QUEUE_SIZE | NVME_SC_DNR;
	if (vector > dev->config.queues)
		return NVME_SC_INVALID_VECTOR | NVME_SC_DNR;
	/* CAP.CQR: queues are physically contiguous */
	if (!(nvmev_cdw(cmd, 11) & NVME_QUEUE_PC))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (addr & ~NVME_PAGE_MASK)
		return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;

	cq = nvmev_cq_create(dev, qid, addr, size, &err);
	if (!cq)
		return nvmev_admin_queue_error(err);
	cq->vector = vector;
	cq->irq = nvmev_cdw(cmd, 11) & NVME_CQ_IEN;
	cq->worker = &dev->workers[(qid - 1) % dev->config.nr_workers];
	dev->cqs[qid] = cq;
	nvmev_worker_add_cq(cq);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_admin_create_sq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);
	u32 size = (nvmev_cdw(cmd, 10) >> 16) + 1;
	u16 cqid = nvmev_cdw(cmd, 11) >> 16;
	u64 addr = le64_to_cpu(cmd->prp1);
	struct nvmev_sq *sq;
	int err;

	if (!cqid || cqid > dev->config.queues)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (!dev->cqs[cqid])
		return NVME_SC_CQ_INVALID | NVME_SC_DNR;
	if (!qid || qid > dev->config.queues || dev->sqs[qid])
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (size < 2 || size > dev->config.queue_depth ||
	    FIELD_GET(NVME_CC_IOSQES, dev->cc) != NVME_SQES)
		return NVME_SC_QUEUE_SIZE | NVME_SC_DNR;
	if (!(nvmev_cdw(cmd, 11) & NVME_QUEUE_PC))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (addr & ~NVME_PAGE_MASK)
		return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;

	sq = nvmev_sq_create(dev, qid, addr, size, dev->cqs[cqid], &err);
	if (!sq)
		return nvmev_admin_queue_error(err);
	mutex_lock(&dev->queues_lock);
	dev->sqs[qid] = sq;
	mutex_unlock(&dev->queues_lock);
	nvmev_worker_add_sq(sq);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_admin_delete_sq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);

	if (!qid || qid > dev->config.queues || !dev->sqs[qid])
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	nvmev_ctrl_delete_sq(dev, qid);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_admin_delete_cq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);

	if (!qid || qid > dev->config.queues || !dev->cqs[qid])
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	/* Its submission queues go first */
	if (dev->cqs[qid]->nr_sqs)
		return NVME_SC_INVALID_QUEUE | NVME_SC_DNR;
	nvmev_ctrl_delete_cq(dev, qid);
	return NVME_SC_SUCCESS;
}

/* --- asynchronous events, 5.2 -------------------------------------------- */

/**
 * nvmev_admin_event() - an asynchronous event has happened
 * @dev: the device
 * @type: NVME_AER_TYPE_*
 * @info: what of it
 * @log: the log page that tells more
 *
 * Reported once, and not again before the host has read @log. An event of a
 * type that waits already is not kept beside it.
 *
 * Context: the controller thread.
 */
void nvmev_admin_event(struct nvmev_dev *dev, u8 type, u8 info, u8 log)
{
	struct nvmev_admin *admin = &dev->admin;

	if (test_bit(type, &admin->masked) || test_bit(type, &admin->events))
		return;
	admin->event_result[type] = type | info << 8 | log << 16;
	__set_bit(type, &admin->events);
}

/**
 * nvmev_admin_post_events() - complete held requests with what has happened
 * @dev: the device, enabled
 *
 * Context: the controller thread.
 */
void nvmev_admin_post_events(struct nvmev_dev *dev)
{
	struct nvmev_admin *admin = &dev->admin;
	unsigned int type;

	for_each_set_bit(type, &admin->events, NVMEV_AEN_BITS) {
		if (!admin->nr_aers || nvmev_cq_full(dev, admin->cq))
			return;
		nvmev_cq_post(admin->cq, admin->sq,
			      admin->aer_cids[--admin->nr_aers],
			      admin->event_result[type], NVME_SC_SUCCESS);
		__clear_bit(type, &admin->events);
		__set_bit(type, &admin->masked);
	}
}

static u16 nvmev_admin_async_event(struct nvmev_dev *dev,
				   const struct nvme_command *cmd,
				   struct nvmev_admin_result *result)
{
	struct nvmev_admin *admin = &dev->admin;

	if (admin->nr_aers == ARRAY_SIZE(admin->aer_cids))
		return NVME_SC_ASYNC_LIMIT | NVME_SC_DNR;
	admin->aer_cids[admin->nr_aers++] = cmd->cid;
	result->held = true;
	return NVME_SC_SUCCESS;
}

/* --- Abort, 5.1 ---------------------------------------------------------- */

static u16 nvmev_admin_abort(struct nvmev_dev *dev,
			     const struct nvme_command *cmd,
			     struct nvmev_admin_result *result)
{
	u16 sqid = nvmev_cdw(cmd, 10);
	u16 cid = nvmev_cdw(cmd, 10) >> 16;

	/* Bit 0: the command was not aborted */
	result->dw0 = 1;
	if (sqid > dev->config.queues || (sqid && !dev->sqs[sqid]))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (sqid && nvmev_worker_abort(dev->sqs[sqid], cid))
		result->dw0 = 0;
	return NVME_SC_SUCCESS;
}

/* --- dispatch ------------------------------------------------------------ */

struct nvmev_admin_op {
	u8 opcode;
	u32 effects;
	nvmev_admin_fn *execute;
};

static const struct nvmev_admin_op nvmev_admin_ops[] = {
	{ NVME_ADMIN_DELETE_SQ, 0, nvmev_admin_delete_sq },
	{ NVME_ADMIN_CREATE_SQ, 0, nvmev_admin_create_sq },
	{ NVME_ADMIN_GET_LOG_PAGE, 0, nvmev_admin_get_log_page },
	{ NVME_ADMIN_DELETE_CQ, 0, nvmev_admin_delete_cq },
	{ NVME_ADMIN_CREATE_CQ, 0, nvmev_admin_create_cq },
	{ NVME_ADMIN_IDENTIFY, 0, nvmev_admin_identify },
	{ NVME_ADMIN_ABORT, 0, nvmev_admin_abort },
	{ NVME_ADMIN_SET_FEATURES, 0, nvmev_admin_set_features },
	{ NVME_ADMIN_GET_FEATURES, 0, nvmev_admin_get_features },
	{ NVME_ADMIN_ASYNC_EVENT, 0, nvmev_admin_async_event },
	{ NVME_ADMIN_NS_MGMT, NVME_EFFECT_NIC, nvmev_admin_ns_mgmt },
	{ NVME_ADMIN_NS_ATTACH, NVME_EFFECT_NIC, nvmev_admin_ns_attach },
	{ NVME_ADMIN_FORMAT_NVM, NVME_EFFECT_LBCC | NVME_EFFECT_NCC |
	  NVME_EFFECT_CSE_NS, nvmev_admin_format },
};

/**
 * nvmev_admin_effects() - what the admin commands do, for their log page
 * @effects: an entry for each opcode, zero at first
 */
void nvmev_admin_effects(__le32 *effects)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nvmev_admin_ops); i++)
		effects[nvmev_admin_ops[i].opcode] =
			cpu_to_le32(NVME_EFFECT_CSUPP |
				    nvmev_admin_ops[i].effects);
}

/**
 * nvmev_admin_execute() - execute one admin command
 * @dev: the device
 * @cmd: the command, a copy
 * @result: zeroes at first
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_execute(struct nvmev_dev *dev, const struct nvme_command *cmd,
			struct nvmev_admin_result *result)
{
	unsigned int i;

	/* Neither fused commands nor, ever, SGLs: 4.1 and 4.4 */
	if (cmd->flags & (NVME_CMD_FUSE | NVME_CMD_PSDT))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	for (i = 0; i < ARRAY_SIZE(nvmev_admin_ops); i++)
		if (nvmev_admin_ops[i].opcode == cmd->opcode)
			return nvmev_admin_ops[i].execute(dev, cmd, result);
	return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
}

/**
 * nvmev_admin_reset() - forget what a reset of the controller forgets
 * @dev: the device
 *
 * Held requests are dropped without a completion (5.2), features go back to
 * their defaults. The logs stay.
 *
 * Context: the controller thread, or load.
 */
void nvmev_admin_reset(struct nvmev_dev *dev)
{
	struct nvmev_admin *admin = &dev->admin;

	admin->nr_aers = 0;
	admin->events = 0;
	admin->masked = 0;
	admin->job.held = false;
	nvmev_features_init(dev);
}
