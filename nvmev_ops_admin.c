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
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "nvmev_admin.h"

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

/**
 * nvmev_max_vector() - the highest vector that a completion queue can have
 * @dev: the device
 *
 * By what the function offers at most, whatever of it the host has enabled: a
 * line has one vector, MSI a power of two.
 */
u16 nvmev_max_vector(const struct nvmev_dev *dev)
{
	unsigned int vectors = dev->config.queues + 1;

	switch (dev->config.interrupts) {
	case NVMEV_INTERRUPTS_INTX:
		return 0;
	case NVMEV_INTERRUPTS_MSI:
		return BIT(order_base_2(min_t(u32, vectors,
					      NVMEV_MAX_MSI))) - 1;
	default:
		return vectors - 1;
	}
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
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_QID_INVALID);
	if (size < 2 || size > dev->config.queue_depth ||
	    FIELD_GET(NVME_CC_IOCQES, dev->cc) != NVME_CQES)
		return nvmev_blame(result, NVMEV_AT(cdw10) + 2,
				   NVME_SC_QUEUE_SIZE);
	if (vector > nvmev_max_vector(dev))
		return nvmev_blame(result, NVMEV_AT(cdw11) + 2,
				   NVME_SC_INVALID_VECTOR);
	/* CAP.CQR: queues are physically contiguous */
	if (!(nvmev_cdw(cmd, 11) & NVME_QUEUE_PC))
		return nvmev_blame(result, NVMEV_AT(cdw11),
				   NVME_SC_INVALID_FIELD);
	if (addr & ~NVME_PAGE_MASK)
		return nvmev_blame(result, NVMEV_AT(prp1),
				   NVME_SC_PRP_OFFSET_INVALID);

	cq = nvmev_cq_create(dev, qid, addr, size, &err);
	if (!cq)
		return nvmev_admin_queue_error(err);
	cq->vector = vector;
	cq->irq = nvmev_cdw(cmd, 11) & NVME_CQ_IEN;
	cq->worker = &dev->workers[(qid - 1) % dev->config.nr_workers];
	dev->cqs[qid] = cq;
	dev->admin.queues_created = true;
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
		return nvmev_blame(result, NVMEV_AT(cdw11) + 2,
				   NVME_SC_QID_INVALID);
	if (!dev->cqs[cqid])
		return nvmev_blame(result, NVMEV_AT(cdw11) + 2,
				   NVME_SC_CQ_INVALID);
	if (!qid || qid > dev->config.queues || dev->sqs[qid])
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_QID_INVALID);
	if (size < 2 || size > dev->config.queue_depth ||
	    FIELD_GET(NVME_CC_IOSQES, dev->cc) != NVME_SQES)
		return nvmev_blame(result, NVMEV_AT(cdw10) + 2,
				   NVME_SC_QUEUE_SIZE);
	if (!(nvmev_cdw(cmd, 11) & NVME_QUEUE_PC))
		return nvmev_blame(result, NVMEV_AT(cdw11),
				   NVME_SC_INVALID_FIELD);
	if (addr & ~NVME_PAGE_MASK)
		return nvmev_blame(result, NVMEV_AT(prp1),
				   NVME_SC_PRP_OFFSET_INVALID);

	sq = nvmev_sq_create(dev, qid, addr, size, dev->cqs[cqid], &err);
	if (!sq)
		return nvmev_admin_queue_error(err);
	sq->priority = FIELD_GET(NVME_SQ_QPRIO, nvmev_cdw(cmd, 11));
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
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_QID_INVALID);
	nvmev_ctrl_delete_sq(dev, qid);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_admin_delete_cq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);

	if (!qid || qid > dev->config.queues || !dev->cqs[qid])
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_QID_INVALID);
	/* Its submission queues go first */
	if (dev->cqs[qid]->nr_sqs)
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_QUEUE);
	nvmev_ctrl_delete_cq(dev, qid);
	return NVME_SC_SUCCESS;
}

/* --- Doorbell Buffer Config, 5.7 and 7.13 --------------------------------- */

static void nvmev_worker_use_shadows(struct nvmev_worker *worker, void *arg)
{
	struct nvmev_sq *sq;
	struct nvmev_cq *cq;

	list_for_each_entry(sq, &worker->sqs, node)
		nvmev_sq_use_shadow(worker->dev, sq);
	list_for_each_entry(cq, &worker->cqs, node)
		nvmev_cq_use_shadow(worker->dev, cq);
	nvmev_worker_watch_anew(worker);
}

static u16 nvmev_admin_dbbuf_config(struct nvmev_dev *dev,
				    const struct nvme_command *cmd,
				    struct nvmev_admin_result *result)
{
	u64 shadows = le64_to_cpu(cmd->prp1);
	u64 event_idxs = le64_to_cpu(cmd->prp2);
	void *shadow_page, *event_page;
	unsigned int i;

	/* Doorbells are four bytes apart: a page is enough for all of them */
	BUILD_BUG_ON(2 * (NVMEV_MAX_QUEUES + 1) * sizeof(__le32) >
		     NVME_PAGE_SIZE);
	if (shadows & ~NVME_PAGE_MASK)
		return nvmev_blame(result, NVMEV_AT(prp1),
				   NVME_SC_INVALID_FIELD);
	if (event_idxs & ~NVME_PAGE_MASK)
		return nvmev_blame(result, NVMEV_AT(prp2),
				   NVME_SC_INVALID_FIELD);
	shadow_page = nvmev_host_ptr(dev, shadows, true);
	event_page = nvmev_host_ptr(dev, event_idxs, true);
	if (!shadow_page || !event_page)
		return NVME_SC_DATA_XFER_ERROR;

	dev->admin.shadows = shadow_page;
	dev->admin.event_idxs = event_page;
	for (i = 0; i < dev->config.nr_workers; i++)
		nvmev_worker_call(&dev->workers[i], nvmev_worker_use_shadows,
				  NULL);
	return NVME_SC_SUCCESS;
}

/* --- asynchronous events, 5.2 -------------------------------------------- */

/* The log page that tells more of an event, and clears it */
static const u8 nvmev_event_logs[NVMEV_AER_TYPES] = {
	[NVME_AER_TYPE_ERROR] = NVME_LOG_ERROR,
	[NVME_AER_TYPE_SMART] = NVME_LOG_SMART,
	[NVME_AER_TYPE_NOTICE] = NVME_LOG_CHANGED_NS,
	[NVME_AER_TYPE_IO] = NVME_LOG_SANITIZE,
};

/**
 * nvmev_admin_event() - an asynchronous event has happened
 * @dev: the device
 * @type: NVME_AER_TYPE_*
 * @info: what of it
 *
 * Reported once, and no other of its type before the host has read the log
 * page that tells more. What happens in between is in that page, and no event.
 *
 * Context: the controller thread.
 */
void nvmev_admin_event(struct nvmev_dev *dev, u8 type, u8 info)
{
	struct nvmev_admin *admin = &dev->admin;

	if (type == NVME_AER_TYPE_ERROR)
		nvmev_log_event_error(dev);
	if (!test_bit(type, &admin->masked))
		__set_bit(info, &admin->events[type]);
}

/**
 * nvmev_admin_forget_event() - what happened so far is no news any more
 * @dev: the device
 * @type: NVME_AER_TYPE_*
 *
 * Context: the controller thread.
 */
void nvmev_admin_forget_event(struct nvmev_dev *dev, u8 type)
{
	dev->admin.events[type] = 0;
	__clear_bit(type, &dev->admin.masked);
}

/**
 * nvmev_admin_clear_events() - the host has read a log page
 * @dev: the device
 * @lid: the page
 *
 * That clears the event that was reported; one of the same type and another
 * information comes next. Where none was reported, for want of a request, the
 * host has learnt of it all from the page, and no request is completed with it.
 *
 * Context: the controller thread.
 */
void nvmev_admin_clear_events(struct nvmev_dev *dev, u8 lid)
{
	unsigned int type;

	for (type = 0; type < NVMEV_AER_TYPES; type++)
		if (nvmev_event_logs[type] == lid &&
		    !__test_and_clear_bit(type, &dev->admin.masked))
			dev->admin.events[type] = 0;
}

/* Completes one of the requests held, the oldest first */
static void nvmev_admin_complete_aer(struct nvmev_dev *dev, unsigned int index,
				     u32 result, u16 status)
{
	struct nvmev_admin *admin = &dev->admin;
	__le16 cid = admin->aer_cids[index];

	admin->nr_aers--;
	memmove(admin->aer_cids + index, admin->aer_cids + index + 1,
		(admin->nr_aers - index) * sizeof(cid));
	nvmev_cq_post(dev, admin->cq, admin->sq, cid, result, status);
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
	unsigned int type, info;

	for (type = 0; type < NVMEV_AER_TYPES; type++) {
		if (!admin->events[type] || test_bit(type, &admin->masked))
			continue;
		if (!admin->nr_aers || nvmev_cq_full(dev, admin->cq))
			return;
		info = __ffs(admin->events[type]);
		nvmev_admin_complete_aer(dev, 0, type | info << 8 |
					 nvmev_event_logs[type] << 16,
					 NVME_SC_SUCCESS);
		__clear_bit(info, &admin->events[type]);
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

/* An event request that is held; its own completion comes first */
static bool nvmev_abort_aer(struct nvmev_dev *dev, u16 cid)
{
	struct nvmev_admin *admin = &dev->admin;
	unsigned int i;

	for (i = 0; i < admin->nr_aers; i++)
		if (admin->aer_cids[i] == cpu_to_le16(cid))
			break;
	/* Two completions need two entries; one was free before the fetch */
	if (i == admin->nr_aers || nvmev_cq_room(dev, admin->cq) < 2)
		return false;
	nvmev_admin_complete_aer(dev, i, 0, NVME_SC_ABORT_REQ);
	return true;
}

/* Abort is done before the next command is looked at: ACL is never reached */
static u16 nvmev_admin_abort(struct nvmev_dev *dev,
			     const struct nvme_command *cmd,
			     struct nvmev_admin_result *result)
{
	u16 sqid = nvmev_cdw(cmd, 10);
	u16 cid = nvmev_cdw(cmd, 10) >> 16;
	bool aborted;

	if (sqid > dev->config.queues || (sqid && !dev->sqs[sqid]))
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_FIELD);
	if (sqid)
		aborted = nvmev_worker_abort(dev->sqs[sqid], cid);
	else
		aborted = nvmev_abort_aer(dev, cid);
	/* Bit 0: the command was not aborted */
	result->dw0 = !aborted;
	return NVME_SC_SUCCESS;
}

/* --- dispatch ------------------------------------------------------------ */

/**
 * struct nvmev_admin_op - a command of the admin command set
 * @opcode: its opcode
 * @while_sanitizing: allowed during a sanitize operation, 8.15.1
 * @effects: for the log of commands and their effects, but CSUPP
 * @execute: what executes it
 */
struct nvmev_admin_op {
	u8 opcode;
	bool while_sanitizing;
	u32 effects;
	nvmev_admin_fn *execute;
};

static const struct nvmev_admin_op nvmev_admin_ops[] = {
	{ NVME_ADMIN_DELETE_SQ, true, 0, nvmev_admin_delete_sq },
	{ NVME_ADMIN_CREATE_SQ, true, 0, nvmev_admin_create_sq },
	{ NVME_ADMIN_GET_LOG_PAGE, true, 0, nvmev_admin_get_log_page },
	{ NVME_ADMIN_DELETE_CQ, true, 0, nvmev_admin_delete_cq },
	{ NVME_ADMIN_CREATE_CQ, true, 0, nvmev_admin_create_cq },
	{ NVME_ADMIN_IDENTIFY, true, 0, nvmev_admin_identify },
	{ NVME_ADMIN_ABORT, true, 0, nvmev_admin_abort },
	{ NVME_ADMIN_SET_FEATURES, true, 0, nvmev_admin_set_features },
	{ NVME_ADMIN_GET_FEATURES, true, 0, nvmev_admin_get_features },
	{ NVME_ADMIN_ASYNC_EVENT, true, 0, nvmev_admin_async_event },
	{ NVME_ADMIN_NS_MGMT, false, NVME_EFFECT_NIC, nvmev_admin_ns_mgmt },
	{ NVME_ADMIN_SELF_TEST, false, 0, nvmev_admin_self_test },
	{ NVME_ADMIN_NS_ATTACH, false, NVME_EFFECT_NIC, nvmev_admin_ns_attach },
	{ NVME_ADMIN_DBBUF_CONFIG, false, 0, nvmev_admin_dbbuf_config },
	{ NVME_ADMIN_FORMAT_NVM, false, NVME_EFFECT_LBCC | NVME_EFFECT_NCC |
	  NVME_EFFECT_CSE_NS, nvmev_admin_format },
	{ NVME_ADMIN_SANITIZE, false, NVME_EFFECT_LBCC | NVME_EFFECT_CSE_ALL,
	  nvmev_admin_sanitize },
};

static const struct nvmev_admin_op *
nvmev_admin_op_find(const struct nvmev_dev *dev, u8 opcode)
{
	unsigned int i;

	if (opcode == NVME_ADMIN_DBBUF_CONFIG && !dev->config.dbbuf)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(nvmev_admin_ops); i++)
		if (nvmev_admin_ops[i].opcode == opcode)
			return &nvmev_admin_ops[i];
	return NULL;
}

/**
 * nvmev_admin_effects() - what the admin commands do, for their log page
 * @dev: the device
 * @effects: an entry for each opcode, zero at first
 */
void nvmev_admin_effects(struct nvmev_dev *dev, __le32 *effects)
{
	const struct nvmev_admin_op *op;
	unsigned int opcode;

	for (opcode = 0; opcode <= U8_MAX; opcode++) {
		op = nvmev_admin_op_find(dev, opcode);
		if (op)
			effects[opcode] = cpu_to_le32(NVME_EFFECT_CSUPP |
						      op->effects);
	}
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
	const struct nvmev_admin_op *op;

	/* Neither fused commands nor, ever, SGLs: 4.1 and 4.4 */
	if (cmd->flags & (NVME_CMD_FUSE | NVME_CMD_PSDT))
		return nvmev_blame(result, NVMEV_AT(flags),
				   NVME_SC_INVALID_FIELD);
	op = nvmev_admin_op_find(dev, cmd->opcode);
	if (!op)
		return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
	if (dev->admin.sanitize.running && !op->while_sanitizing)
		return NVME_SC_SANITIZE_IN_PROGRESS;
	return op->execute(dev, cmd, result);
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
	memset(admin->events, 0, sizeof(admin->events));
	admin->masked = 0;
	admin->queues_created = false;
	admin->shadows = NULL;
	admin->event_idxs = NULL;
	admin->job.held = false;
	nvmev_self_test_abort(dev, NVME_SELF_TEST_BY_RESET);
	nvmev_features_init(dev);
}
