// SPDX-License-Identifier: GPL-2.0
/*
 * The stand-ins that need code, the host's side of the device, and a small
 * host driver for the tests.
 */
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <time.h>

#include "harness.h"

u8 *uspace_host;
u64 uspace_now_ns = 1;
u64 uspace_host_bytes = USPACE_HOST_BYTES;
bool uspace_threads;
bool uspace_real_clock;
/* What happens at the core's next smp_rmb() */
void (*uspace_at_rmb)(void);
void (*uspace_at_complete)(void);
#ifdef USPACE_EVENTS
void (*uspace_at_unlock)(void);
#endif
bool uspace_quiet;
unsigned int uspace_fail_alloc;
unsigned long uspace_irqs[NVMEV_MAX_VECTORS];
#ifdef USPACE_EVENTS
u8 *uspace_gone;
#endif

static struct nvmev_dev *uspace_dev;
static __thread struct task_struct *uspace_current;

/* --- timerqueue ------------------------------------------------------------ */

static struct timerqueue_node *tree_parent(const struct timerqueue_node *node)
{
	return (struct timerqueue_node *)(node->parent & ~1UL);
}

static bool tree_red(const struct timerqueue_node *node)
{
	return node && node->parent & 1;
}

static void tree_set_red(struct timerqueue_node *node, bool red)
{
	node->parent = (node->parent & ~1UL) | red;
}

static void tree_set_parent(struct timerqueue_node *node,
			    struct timerqueue_node *parent)
{
	if (node)
		node->parent = (unsigned long)parent | (node->parent & 1);
}

/* Puts @new, or nothing, where @old hangs */
static void tree_replace(struct timerqueue_head *head,
			 struct timerqueue_node *old,
			 struct timerqueue_node *new)
{
	struct timerqueue_node *parent = tree_parent(old);

	if (!parent)
		head->root = new;
	else
		parent->child[parent->child[1] == old] = new;
	tree_set_parent(new, parent);
}

/* @node goes down on the side @side, its other child comes up */
static void tree_rotate(struct timerqueue_head *head,
			struct timerqueue_node *node, bool side)
{
	struct timerqueue_node *up = node->child[!side];

	tree_replace(head, node, up);
	node->child[!side] = up->child[side];
	tree_set_parent(up->child[side], node);
	up->child[side] = node;
	tree_set_parent(node, up);
}

/* @node is red, and its parent may be so as well */
static void tree_mend_red(struct timerqueue_head *head,
			  struct timerqueue_node *node)
{
	struct timerqueue_node *parent, *grand;
	bool side;

	while (tree_red(parent = tree_parent(node))) {
		grand = tree_parent(parent);
		side = grand->child[1] == parent;
		if (tree_red(grand->child[!side])) {
			tree_set_red(parent, false);
			tree_set_red(grand->child[!side], false);
			tree_set_red(grand, true);
			node = grand;
			continue;
		}
		if (parent->child[!side] == node) {
			tree_rotate(head, parent, side);
			parent = node;
		}
		tree_set_red(parent, false);
		tree_set_red(grand, true);
		tree_rotate(head, grand, !side);
		break;
	}
	tree_set_red(head->root, false);
}

/* Below @parent, at @node, one black node is missing */
static void tree_mend_black(struct timerqueue_head *head,
			    struct timerqueue_node *node,
			    struct timerqueue_node *parent)
{
	while (parent && !tree_red(node)) {
		bool side = parent->child[0] != node;
		struct timerqueue_node *other = parent->child[!side];

		if (tree_red(other)) {
			tree_set_red(other, false);
			tree_set_red(parent, true);
			tree_rotate(head, parent, side);
			other = parent->child[!side];
		}
		if (!tree_red(other->child[0]) && !tree_red(other->child[1])) {
			tree_set_red(other, true);
			node = parent;
			parent = tree_parent(node);
			continue;
		}
		if (!tree_red(other->child[!side])) {
			tree_set_red(other->child[side], false);
			tree_set_red(other, true);
			tree_rotate(head, other, !side);
			other = parent->child[!side];
		}
		tree_set_red(other, tree_red(parent));
		tree_set_red(parent, false);
		tree_set_red(other->child[!side], false);
		tree_rotate(head, parent, side);
		node = head->root;
		break;
	}
	if (node)
		tree_set_red(node, false);
}

void timerqueue_init(struct timerqueue_node *node)
{
	/* Its own parent: in no tree */
	node->parent = (unsigned long)node;
}

void timerqueue_init_head(struct timerqueue_head *head)
{
	head->root = NULL;
	head->first = NULL;
}

bool timerqueue_add(struct timerqueue_head *head, struct timerqueue_node *node)
{
	struct timerqueue_node **link = &head->root, *parent = NULL;
	bool first = true;

	check(tree_parent(node) == node);
	while (*link) {
		parent = *link;
		if (node->expires < parent->expires) {
			link = &parent->child[0];
		} else {
			link = &parent->child[1];
			first = false;
		}
	}
	node->child[0] = NULL;
	node->child[1] = NULL;
	node->parent = (unsigned long)parent | 1;
	*link = node;
	if (first)
		head->first = node;
	tree_mend_red(head, node);
	return first;
}

bool timerqueue_del(struct timerqueue_head *head, struct timerqueue_node *node)
{
	struct timerqueue_node *next, *below, *parent;
	bool red = tree_red(node);

	check(tree_parent(node) != node);
	if (head->first == node) {
		head->first = tree_parent(node);
		for (next = node->child[1]; next; next = next->child[0])
			head->first = next;
	}
	if (!node->child[0] || !node->child[1]) {
		below = node->child[!node->child[0]];
		parent = tree_parent(node);
		tree_replace(head, node, below);
	} else {
		/* The next one takes its place and its colour */
		for (next = node->child[1]; next->child[0]; )
			next = next->child[0];
		red = tree_red(next);
		below = next->child[1];
		parent = tree_parent(next);
		if (parent == node) {
			parent = next;
		} else {
			tree_replace(head, next, below);
			next->child[1] = node->child[1];
			tree_set_parent(next->child[1], next);
		}
		tree_replace(head, node, next);
		next->child[0] = node->child[0];
		tree_set_parent(next->child[0], next);
		tree_set_red(next, tree_red(node));
	}
	if (!red)
		tree_mend_black(head, below, parent);
	timerqueue_init(node);
	return head->root;
}

/* --- locks ------------------------------------------------------------------ */

/* The holder may not be running: there are more threads than CPUs */
void uspace_spin_wait(spinlock_t *lock)
{
	unsigned int i = 0;

	while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE)) {
		while (READ_ONCE(lock->locked)) {
			if (++i % 128)
				cpu_relax();
			else
				sched_yield();
		}
	}
}

/* --- allocation and threads ------------------------------------------------ */

void *uspace_alloc(size_t n, size_t size, bool zero)
{
	void *p;

	if (uspace_fail_alloc && !--uspace_fail_alloc)
		return NULL;
	p = aligned_alloc(64, ALIGN(n * size, 64));
	/* What reaches the host of it is recognised: tests/raw/cases.c */
	if (p)
		memset(p, zero ? 0 : 0x5a, n * size);
	return p;
}

static void *uspace_thread(void *data)
{
	uspace_current = data;
	uspace_current->fn(uspace_current->data);
	return NULL;
}

struct task_struct *kthread_create_on_node(int (*fn)(void *data), void *data,
					   int node, const char *name, ...)
{
	struct task_struct *task = calloc(1, sizeof(*task));

	task->fn = fn;
	task->data = data;
	return task;
}

void wake_up_process(struct task_struct *task)
{
	if (!uspace_threads || task->started)
		return;
	task->started = true;
	check(!pthread_create(&task->thread, NULL, uspace_thread, task));
}

int kthread_stop(struct task_struct *task)
{
	WRITE_ONCE(task->stop, true);
	if (task->started) {
		pthread_join(task->thread, NULL);
	} else {
		/* The function sees at once that it has to stop */
		uspace_current = task;
		task->fn(task->data);
		uspace_current = NULL;
	}
	free(task);
	return 0;
}

bool kthread_should_stop(void)
{
	return READ_ONCE(uspace_current->stop);
}

void schedule(void)
{
	sched_yield();
}

void schedule_hrtimeout_range(ktime_t *timeout, u64 delta, int mode)
{
	sched_yield();
}

/* Only workers are ever waited for here, with their call_lock held */
void wait_for_completion(struct completion *done)
{
	unsigned int w;

	/* Pairs with the release in complete() */
	while (!smp_load_acquire(&done->done)) {
		if (uspace_threads)
			sched_yield();
		else
			for (w = 0; w < uspace_dev->config.nr_workers; w++)
				nvmev_worker_poll(&uspace_dev->workers[w]);
	}
}

/* --- the host's side of the device ----------------------------------------- */

u64 nvmev_clock_ns(void)
{
	struct timespec ts;

	if (uspace_phase == USPACE_POLL)
		uspace_enter(USPACE_FETCH);
	else if (uspace_phase == USPACE_HOLD)
		uspace_enter(USPACE_COMPLETE);
	if (!uspace_threads && !uspace_real_clock)
		return uspace_now_ns;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void *nvmev_host_ptr(struct nvmev_dev *dev, u64 addr, bool write)
{
	return addr < uspace_host_bytes ? uspace_host + addr : NULL;
}

void nvmev_irq_raise(struct nvmev_dev *dev, u16 vector)
{
	__atomic_fetch_add(&uspace_irqs[vector], 1, __ATOMIC_RELAXED);
}

bool nvmev_irq_poll(struct nvmev_dev *dev)
{
	return false;
}

/*
 * Zeroed, between two pages that nobody may touch. A mapping costs only what is
 * used of it, which is what a fuzzer that makes thousands of them needs.
 */
static void *uspace_map(size_t bytes)
{
	u8 *addr = mmap(NULL, bytes + 8192, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(addr != MAP_FAILED);
	check(!mprotect(addr + 4096, bytes, PROT_READ | PROT_WRITE));
	return addr + 4096;
}

static void uspace_unmap(void *addr, size_t bytes)
{
	check(!munmap((u8 *)addr - 4096, bytes + 8192));
}

struct nvmev_dev *uspace_device_create(const struct nvmev_config *config)
{
	struct nvmev_dev *dev = aligned_alloc(64, sizeof(*dev));

	check(!uspace_dev);
	memset(dev, 0, sizeof(*dev));
	uspace_dev = dev;
	uspace_host = uspace_map(uspace_host_bytes);
	dev->config = *config;
	dev->storage_bytes = config->size - NVMEV_STORAGE_OFFSET;
	dev->bar = uspace_map(NVMEV_BAR_SIZE);
	dev->storage = uspace_map(dev->storage_bytes);
	nvmev_ns_init_all(dev);
	dev->dma = true;
	dev->mmio = true;
	dev->tolerance_ns = 100 * NSEC_PER_USEC;
	check(!nvmev_timing_init(&dev->timing, &config->timing));
	check(!nvmev_ctrl_init(dev));
	check(!nvmev_workers_start(dev));
	check(!nvmev_ctrl_start(dev));
	return dev;
}

void uspace_device_destroy(struct nvmev_dev *dev)
{
	nvmev_ctrl_stop(dev);
	nvmev_workers_stop(dev);
	nvmev_ctrl_destroy(dev);
	nvmev_timing_destroy(&dev->timing);
	uspace_unmap(dev->storage, dev->storage_bytes);
	uspace_unmap(dev->bar, NVMEV_BAR_SIZE);
	free(dev);
	uspace_unmap(uspace_host, uspace_host_bytes);
	uspace_dev = NULL;
}

/* --- without threads ------------------------------------------------------- */

/* One round of every thread */
void uspace_run(struct nvmev_dev *dev, unsigned int rounds)
{
	unsigned int w;

	if (uspace_threads) {
		sched_yield();
		return;
	}
	while (rounds--) {
		nvmev_ctrl_poll(dev);
		for (w = 0; w < dev->config.nr_workers; w++)
			nvmev_worker_poll(&dev->workers[w]);
	}
}

/* --- a host driver --------------------------------------------------------- */

u32 uspace_reg_read(struct nvmev_dev *dev, unsigned int reg)
{
	return le32_to_cpu(READ_ONCE(*(__le32 *)(dev->bar + reg)));
}

void uspace_reg_write(struct nvmev_dev *dev, unsigned int reg, u32 value)
{
	WRITE_ONCE(*(__le32 *)(dev->bar + reg), cpu_to_le32(value));
}

/* The admin queue lies in the first two pages of the host's memory */
bool uspace_enable(struct nvmev_dev *dev, struct uspace_queue *admin)
{
	return uspace_enable_ams(dev, admin, NVME_CC_AMS_RR);
}

bool uspace_enable_ams(struct nvmev_dev *dev, struct uspace_queue *admin,
		       u32 ams)
{
	unsigned int i;

	*admin = (struct uspace_queue){
		.size = 32, .sq_addr = 0, .cq_addr = 4096, .phase = 1,
	};
	memset(uspace_host, 0, 8192);
	uspace_reg_write(dev, NVME_REG_AQA, 31 << 16 | 31);
	uspace_reg_write(dev, NVME_REG_ASQ, 0);
	uspace_reg_write(dev, NVME_REG_ASQ + 4, 0);
	uspace_reg_write(dev, NVME_REG_ACQ, 4096);
	uspace_reg_write(dev, NVME_REG_ACQ + 4, 0);
	uspace_reg_write(dev, NVME_REG_CC, NVME_CC_EN | 6 << 16 | 4 << 20 |
			 FIELD_PREP(NVME_CC_AMS, ams));
	for (i = 0; i < 100000000; i++) {
		uspace_run(dev, 1);
		if (uspace_reg_read(dev, NVME_REG_CSTS) & NVME_CSTS_RDY)
			return true;
	}
	return false;
}

bool uspace_disable(struct nvmev_dev *dev)
{
	unsigned int i;

	uspace_reg_write(dev, NVME_REG_CC, 0);
	for (i = 0; i < 100000000; i++) {
		uspace_run(dev, 1);
		if (!(uspace_reg_read(dev, NVME_REG_CSTS) & NVME_CSTS_RDY))
			return true;
	}
	return false;
}

/* Writes the entry and rings the doorbell; the caller keeps within the size */
u16 uspace_submit(struct nvmev_dev *dev, struct uspace_queue *queue,
		  struct nvme_command *cmd)
{
	u16 cid = queue->next_cid++;

	cmd->cid = cpu_to_le16(cid);
	memcpy(uspace_host + queue->sq_addr + queue->tail * sizeof(*cmd), cmd,
	       sizeof(*cmd));
	queue->tail = (queue->tail + 1) % queue->size;
	WRITE_ONCE(*nvmev_doorbell(dev, queue->qid, false),
		   cpu_to_le32(queue->tail));
	return cid;
}

bool uspace_reap(struct nvmev_dev *dev, struct uspace_queue *queue,
		 struct nvme_completion *cqe)
{
	struct nvme_completion *entry = (void *)(uspace_host + queue->cq_addr);
	const u64 *half;

	entry += queue->head;
	/* As it is written: for the thread sanitizer an address is a variable */
	half = (const void *)&entry->sq_head;
	if ((READ_ONCE(*half) >> 48 & 1) != queue->phase)
		return false;
	*cqe = *entry;
	if (++queue->head == queue->size) {
		queue->head = 0;
		queue->phase ^= 1;
	}
	WRITE_ONCE(*nvmev_doorbell(dev, queue->qid, true),
		   cpu_to_le32(queue->head));
	return true;
}

/* Submits one command and waits for it: its status, or -1 */
int uspace_sync(struct nvmev_dev *dev, struct uspace_queue *queue,
		struct nvme_command *cmd, u32 *result)
{
	u16 cid = uspace_submit(dev, queue, cmd);
	struct nvme_completion cqe;
	unsigned int i;

	for (i = 0; i < 100000000; i++) {
		if (uspace_reap(dev, queue, &cqe)) {
			check(le16_to_cpu(cqe.cid) == cid);
			if (result)
				*result = le32_to_cpu(cqe.result);
			return le16_to_cpu(cqe.status) >> 1;
		}
		uspace_run(dev, 1);
		if (!uspace_threads)
			uspace_now_ns += 1000;
	}
	return -1;
}

/* Creates a queue pair whose rings lie at @addr, the CQ behind the SQ */
int uspace_create_queue(struct nvmev_dev *dev, struct uspace_queue *admin,
			struct uspace_queue *queue, u16 qid, u32 size,
			u64 addr)
{
	return uspace_create_queue_of(dev, admin, queue, qid, size, addr,
				      NVME_SQ_URGENT);
}

int uspace_create_queue_of(struct nvmev_dev *dev, struct uspace_queue *admin,
			   struct uspace_queue *queue, u16 qid, u32 size,
			   u64 addr, u8 priority)
{
	struct nvme_command cmd = { .opcode = NVME_ADMIN_CREATE_CQ };
	u64 sq_bytes = (size * sizeof(cmd) + 4095) & ~4095ULL;
	int status;

	*queue = (struct uspace_queue){
		.qid = qid, .size = size, .sq_addr = addr,
		.cq_addr = addr + sq_bytes, .phase = 1,
	};
	memset(uspace_host + queue->cq_addr, 0,
	       size * sizeof(struct nvme_completion));
	cmd.prp1 = cpu_to_le64(queue->cq_addr);
	cmd.cdw10 = cpu_to_le32((size - 1) << 16 | qid);
	cmd.cdw11 = cpu_to_le32(qid << 16 | NVME_CQ_IEN | NVME_QUEUE_PC);
	status = uspace_sync(dev, admin, &cmd, NULL);
	if (status)
		return status;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = NVME_ADMIN_CREATE_SQ;
	cmd.prp1 = cpu_to_le64(queue->sq_addr);
	cmd.cdw10 = cpu_to_le32((size - 1) << 16 | qid);
	cmd.cdw11 = cpu_to_le32(qid << 16 | NVME_QUEUE_PC |
				FIELD_PREP(NVME_SQ_QPRIO, priority));
	return uspace_sync(dev, admin, &cmd, NULL);
}
