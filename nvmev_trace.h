/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of an I/O command's life: fetched, due time known, completed.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nvmev

#if !defined(_NVMEV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _NVMEV_TRACE_H

#include <linux/tracepoint.h>

#include "nvmev.h"

TRACE_EVENT(nvmev_fetch,
	TP_PROTO(const struct nvmev_io *io),
	TP_ARGS(io),
	TP_STRUCT__entry(
		__field(u16, qid)
		__field(u16, cid)
		__field(u8, opcode)
		__field(u16, status)
		__field(u64, lba)
		__field(u64, bytes)
		__field(u64, seen_ns)
	),
	TP_fast_assign(
		__entry->qid = io->sq->qid;
		__entry->cid = le16_to_cpu(io->cmd.cid);
		__entry->opcode = io->cmd.opcode;
		__entry->status = io->status;
		__entry->lba = nvmev_io_lba(io);
		__entry->bytes = io->bytes;
		__entry->seen_ns = io->seen_ns;
	),
	TP_printk("qid=%u cid=%u opcode=%#x lba=%llu len=%llu seen=%llu status=%#x",
		  __entry->qid, __entry->cid, __entry->opcode, __entry->lba,
		  __entry->bytes, __entry->seen_ns, __entry->status)
);

TRACE_EVENT(nvmev_due,
	TP_PROTO(const struct nvmev_io *io),
	TP_ARGS(io),
	TP_STRUCT__entry(
		__field(u16, qid)
		__field(u16, cid)
		__field(u8, opcode)
		__field(u64, lba)
		__field(u64, bytes)
		__field(u64, due_ns)
		__field(u64, wait_ns)
	),
	TP_fast_assign(
		__entry->qid = io->sq->qid;
		__entry->cid = le16_to_cpu(io->cmd.cid);
		__entry->opcode = io->cmd.opcode;
		__entry->lba = nvmev_io_lba(io);
		__entry->bytes = io->bytes;
		__entry->due_ns = nvmev_io_due_ns(io);
		__entry->wait_ns = io->wait_ns;
	),
	TP_printk("qid=%u cid=%u opcode=%#x lba=%llu len=%llu due=%llu wait=%llu",
		  __entry->qid, __entry->cid, __entry->opcode, __entry->lba,
		  __entry->bytes, __entry->due_ns, __entry->wait_ns)
);

TRACE_EVENT(nvmev_complete,
	TP_PROTO(const struct nvmev_io *io, u64 late_ns),
	TP_ARGS(io, late_ns),
	TP_STRUCT__entry(
		__field(u16, qid)
		__field(u16, cid)
		__field(u8, opcode)
		__field(u16, status)
		__field(u64, lba)
		__field(u64, bytes)
		__field(u64, due_ns)
		__field(u64, late_ns)
	),
	TP_fast_assign(
		__entry->qid = io->sq->qid;
		__entry->cid = le16_to_cpu(io->cmd.cid);
		__entry->opcode = io->cmd.opcode;
		__entry->status = io->status;
		__entry->lba = nvmev_io_lba(io);
		__entry->bytes = io->bytes;
		__entry->due_ns = nvmev_io_due_ns(io);
		__entry->late_ns = late_ns;
	),
	TP_printk("qid=%u cid=%u opcode=%#x lba=%llu len=%llu due=%llu late=%llu status=%#x",
		  __entry->qid, __entry->cid, __entry->opcode, __entry->lba,
		  __entry->bytes, __entry->due_ns, __entry->late_ns,
		  __entry->status)
);

#endif /* _NVMEV_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE nvmev_trace
#include <trace/define_trace.h>
