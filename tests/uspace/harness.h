/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole device in user space: the core with a host beside it.
 *
 * The host's memory is one array, its addresses are offsets into it. Without
 * threads (the default) time is a variable that only the test moves, and
 * uspace_run() is what the device's threads would have done meanwhile.
 */
#ifndef _USPACE_HARNESS_H
#define _USPACE_HARNESS_H

#include "nvmev.h"

#define USPACE_HOST_BYTES	(16U << 20)

extern u8 *uspace_host;
/* Its size; to be set before the device is made */
extern u64 uspace_host_bytes;
extern u64 uspace_now_ns;
extern bool uspace_threads;
/* The so-manieth allocation from now on fails; 0: none */
extern unsigned int uspace_fail_alloc;
/* Real time although there are no threads */
extern bool uspace_real_clock;
extern unsigned long uspace_irqs[NVMEV_MAX_VECTORS];
#ifdef USPACE_EVENTS
/* A page of the host's memory that has gone after it was looked up, or NULL */
extern u8 *uspace_gone;
#endif

struct nvmev_dev *uspace_device_create(const struct nvmev_config *config);
void uspace_device_destroy(struct nvmev_dev *dev);
void uspace_run(struct nvmev_dev *dev, unsigned int rounds);

/* A host driver of the simplest kind, on the registers and raw queues */
struct uspace_queue {
	u16 qid;
	u32 size;
	u64 sq_addr, cq_addr;
	u32 tail, head;
	u8 phase;
	u16 next_cid;
};

u32 uspace_reg_read(struct nvmev_dev *dev, unsigned int reg);
void uspace_reg_write(struct nvmev_dev *dev, unsigned int reg, u32 value);
bool uspace_enable(struct nvmev_dev *dev, struct uspace_queue *admin);
bool uspace_enable_ams(struct nvmev_dev *dev, struct uspace_queue *admin,
		       u32 ams);
bool uspace_disable(struct nvmev_dev *dev);
u16 uspace_submit(struct nvmev_dev *dev, struct uspace_queue *queue,
		  struct nvme_command *cmd);
bool uspace_reap(struct nvmev_dev *dev, struct uspace_queue *queue,
		 struct nvme_completion *cqe);
int uspace_sync(struct nvmev_dev *dev, struct uspace_queue *queue,
		struct nvme_command *cmd, u32 *result);
int uspace_create_queue(struct nvmev_dev *dev, struct uspace_queue *admin,
			struct uspace_queue *queue, u16 qid, u32 size,
			u64 addr);
int uspace_create_queue_of(struct nvmev_dev *dev, struct uspace_queue *admin,
			   struct uspace_queue *queue, u16 qid, u32 size,
			   u64 addr, u8 priority);

#define check(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,	\
			__LINE__, #cond);				\
		exit(1);						\
	}								\
} while (0)

/* xorshift64*: small, seeded, the same everywhere */
static inline u64 uspace_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

#endif /* _USPACE_HARNESS_H */
