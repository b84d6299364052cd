// SPDX-License-Identifier: GPL-2.0
/*
 * Data pointers: the walk along the PRP entries of a command (NVMe 1.4, 4.3).
 *
 * The host may change a list at any time, so each entry is read once and
 * checked at that reading. Runs in a worker or in the controller thread; takes
 * no locks.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "nvmev.h"

enum nvmev_prp_state {
	NVMEV_PRP_FIRST,
	NVMEV_PRP_SECOND,
	NVMEV_PRP_LIST,
};

static bool nvmev_prp_page_start(const void *ptr)
{
	return IS_ALIGNED((unsigned long)ptr, NVME_PAGE_SIZE);
}

static bool nvmev_prp_last_of_page(const __le64 *entry)
{
	return nvmev_prp_page_start(entry + 1);
}

/* The list begins at PRP2, or goes on in the page that its last slot names */
static u16 nvmev_prp_enter_list(struct nvmev_dev *dev, struct nvmev_prp *prp,
				u64 addr)
{
	if (addr % sizeof(__le64))
		return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;
	prp->list = nvmev_host_ptr(dev, addr, false);
	if (!prp->list)
		return NVME_SC_DATA_XFER_ERROR;
	prp->state = NVMEV_PRP_LIST;
	return NVME_SC_SUCCESS;
}

/* What an entry reads as whose list is gone: a page, but no memory's */
#define NVMEV_PRP_GONE		cpu_to_le64(NVME_PAGE_MASK)

static u64 nvmev_prp_entry(const struct nvmev_prp *prp)
{
	return le64_to_cpu(nvmev_host_read(prp->list, NVMEV_PRP_GONE));
}

static u16 nvmev_prp_next_in_list(struct nvmev_dev *dev, struct nvmev_prp *prp,
				  u64 *addr)
{
	u16 status;

	*addr = nvmev_prp_entry(prp);

	/* The last slot of a page chains only when more entries remain */
	if (nvmev_prp_last_of_page(prp->list) && prp->left > NVME_PAGE_SIZE) {
		/* A list that goes on begins with its page: no endless chain */
		if (*addr & ~NVME_PAGE_MASK)
			return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;
		status = nvmev_prp_enter_list(dev, prp, *addr);
		if (status)
			return status;
		*addr = nvmev_prp_entry(prp);
	}
	prp->list++;
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_prp_start() - begin a walk
 * @prp: the walk
 * @cmd: the command; its copy, not the host's
 * @len: bytes to transfer
 */
void nvmev_prp_start(struct nvmev_prp *prp, const struct nvme_command *cmd,
		     u32 len)
{
	prp->entry[0] = le64_to_cpu(cmd->prp1);
	prp->entry[1] = le64_to_cpu(cmd->prp2);
	prp->list = NULL;
	prp->left = len;
	prp->state = NVMEV_PRP_FIRST;
}

/**
 * nvmev_prp_next() - the next piece of host memory, at most a page
 * @dev: the device
 * @prp: the walk, with bytes left
 * @write: whether the device will write to it
 * @addr: set to its address
 * @len: set to its length in bytes
 *
 * Context: a worker or the controller thread, also with a spinlock held.
 * Return: 0, PRP Offset Invalid, or Data Transfer Error for an address that
 * is no memory.
 */
u16 nvmev_prp_next(struct nvmev_dev *dev, struct nvmev_prp *prp, bool write,
		   void **addr, u32 *len)
{
	u64 entry;
	u16 status;

	switch (prp->state) {
	case NVMEV_PRP_FIRST:
		entry = prp->entry[0];
		if (entry % sizeof(__le32))
			return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;
		*len = min_t(u32, prp->left,
			     NVME_PAGE_SIZE - (entry & ~NVME_PAGE_MASK));
		if (prp->left - *len > NVME_PAGE_SIZE) {
			status = nvmev_prp_enter_list(dev, prp, prp->entry[1]);
			if (status)
				return status;
		} else {
			prp->state = NVMEV_PRP_SECOND;
		}
		break;
	case NVMEV_PRP_SECOND:
		entry = prp->entry[1];
		if (entry & ~NVME_PAGE_MASK)
			return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;
		*len = prp->left;
		break;
	default:
		status = nvmev_prp_next_in_list(dev, prp, &entry);
		if (status)
			return status;
		if (entry & ~NVME_PAGE_MASK)
			return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;
		*len = min_t(u32, prp->left, NVME_PAGE_SIZE);
		break;
	}

	*addr = nvmev_host_ptr(dev, entry, write);
	if (!*addr)
		return NVME_SC_DATA_XFER_ERROR;
	prp->left -= *len;
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_prp_check() - walk on to the end without a transfer
 * @dev: the device
 * @prp: the walk; it stays where it is
 * @write: whether the device will write to the host
 *
 * Context: as nvmev_prp_next().
 * Return: 0 or the status of the first bad entry.
 */
u16 nvmev_prp_check(struct nvmev_dev *dev, const struct nvmev_prp *prp,
		    bool write)
{
	struct nvmev_prp rest = *prp;
	u16 status;
	void *addr;
	u32 len;

	while (rest.left) {
		status = nvmev_prp_next(dev, &rest, write, &addr, &len);
		if (status)
			return status;
	}
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_prp_read() - copy a small piece of a command's data from the host
 * @dev: the device
 * @cmd: the command
 * @offset: where in the data the piece begins, in bytes
 * @buf: where to put it
 * @len: its length in bytes
 *
 * The data as a whole has at most one page: PRP2 is never a list then,
 * however much of it is walked.
 *
 * Context: as nvmev_prp_next().
 * Return: 0 or the status of a bad entry; @buf is undefined then.
 */
u16 nvmev_prp_read(struct nvmev_dev *dev, const struct nvme_command *cmd,
		   u32 offset, void *buf, u32 len)
{
	struct nvmev_prp prp;
	u32 piece, skip;
	u16 status;
	void *addr;

	nvmev_prp_start(&prp, cmd, offset + len);
	while (prp.left) {
		status = nvmev_prp_next(dev, &prp, false, &addr, &piece);
		if (status)
			return status;
		skip = min(offset, piece);
		if (!nvmev_host_copy(buf, addr + skip, piece - skip))
			return NVME_SC_DATA_XFER_ERROR;
		buf += piece - skip;
		offset -= skip;
	}
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_prp_write() - hand a data structure to the host
 * @dev: the device
 * @cmd: the command
 * @buf: the data structure
 * @buf_len: its length in bytes; what the host wants beyond reads as zeroes
 * @len: bytes that the host wants
 *
 * Nothing is written unless every entry is good.
 *
 * Context: as nvmev_prp_next().
 * Return: 0 or the status of the first bad entry.
 */
u16 nvmev_prp_write(struct nvmev_dev *dev, const struct nvme_command *cmd,
		    const void *buf, u32 buf_len, u32 len)
{
	struct nvmev_prp prp;
	u32 piece, data;
	u16 status;
	void *addr;

	nvmev_prp_start(&prp, cmd, len);
	status = nvmev_prp_check(dev, &prp, true);
	if (status)
		return status;
	while (prp.left) {
		status = nvmev_prp_next(dev, &prp, true, &addr, &piece);
		if (status)
			return status;
		data = min(buf_len, piece);
		if (!nvmev_host_copy(addr, buf, data) ||
		    !nvmev_host_zero(addr + data, piece - data))
			return NVME_SC_DATA_XFER_ERROR;
		buf += data;
		buf_len -= data;
	}
	return NVME_SC_SUCCESS;
}
