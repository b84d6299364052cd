/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the device core takes from the kernel, for user space: every header
 * that it includes is this one (see Makefile). Names and meaning are the
 * kernel's; only what the core uses is here.
 *
 * Threads are real (pthreads) or none at all: without threads a caller that
 * waits for a worker runs that worker itself, so that a whole run is one
 * deterministic thread. See harness.h.
 */
#ifndef _USPACE_H
#define _USPACE_H

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef long long s64;
typedef s64 ktime_t;

#ifdef __CHECKER__
#define __bitwise __attribute__((bitwise))
#else
#define __bitwise
#endif
typedef u16 __bitwise __le16;
typedef u32 __bitwise __le32;
typedef u64 __bitwise __le64;

#define __force
#define __packed	__attribute__((packed))
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define ____cacheline_aligned_in_smp	__attribute__((aligned(64)))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define U8_MAX		UINT8_MAX
#define U16_MAX		UINT16_MAX
#define U32_MAX		UINT32_MAX
#define U64_MAX		(~0ULL)

#define SZ_16K		0x4000
#define SZ_64K		0x10000
#define SZ_1M		0x100000
#define SZ_4M		0x400000

#define KERNEL_VERSION(a, b, c)	(((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE	KERNEL_VERSION(6, 12, 0)

#define NSEC_PER_USEC	1000L
#define NSEC_PER_MSEC	1000000L
#define NSEC_PER_SEC	1000000000L

#define BIT(n)		(1UL << (n))
#define BIT_ULL(n)	(1ULL << (n))
#define GENMASK(h, l)	((~0UL << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL	GENMASK
#define BITS_PER_LONG	64

#define FIELD_GET(mask, val)	(((val) & (mask)) >> __builtin_ctzll(mask))
#define FIELD_PREP(mask, val)	(((u64)(val) << __builtin_ctzll(mask)) & (mask))

#define BUILD_BUG_ON(cond)	_Static_assert(!(cond), #cond)
#define static_assert(expr)	_Static_assert(expr, #expr)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define ALIGN(x, a)		(((x) + (a) - 1) & ~((u64)(a) - 1))
#define IS_ALIGNED(x, a)	(!((x) & ((a) - 1)))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL	DIV_ROUND_UP
#define DIV64_U64_ROUND_UP	DIV_ROUND_UP
#define div64_u64(n, d)		((u64)(n) / (u64)(d))
#define div_u64(n, d)		((u64)(n) / (u32)(d))
#define lower_32_bits(n)	((u32)(n))
#define upper_32_bits(n)	((u32)((u64)(n) >> 32))
#define ilog2(n)		(63 - __builtin_clzll(n))
#define order_base_2(n)		((n) > 1 ? ilog2((n) - 1) + 1 : 0)

#define min(a, b) ({ __auto_type _a = (a); __auto_type _b = (b); \
		     _a < _b ? _a : _b; })
#define max(a, b) ({ __auto_type _a = (a); __auto_type _b = (b); \
		     _a > _b ? _a : _b; })
#define swap(a, b) do {						\
	__typeof__(a) _tmp = (a);					\
	(a) = (b);							\
	(b) = _tmp;							\
} while (0)
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define max_t(t, a, b)		max((t)(a), (t)(b))
#define min3(a, b, c)		min(min(a, b), c)
#define max3(a, b, c)		max(max(a, b), c)
#define clamp_t(t, v, lo, hi)	min_t(t, max_t(t, v, lo), hi)

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* --- memory order ---------------------------------------------------------- */

/*
 * As weak as the kernel's, so that what is measured is what the kernel does;
 * for the thread sanitizer stronger, because it knows no fences: what the core
 * orders with barriers is ordered by these alone there.
 */
#ifdef __SANITIZE_THREAD__
#define USPACE_LOAD	__ATOMIC_ACQUIRE
#define USPACE_STORE	__ATOMIC_RELEASE
#else
#define USPACE_LOAD	__ATOMIC_RELAXED
#define USPACE_STORE	__ATOMIC_RELAXED
#endif
#define READ_ONCE(x)	__atomic_load_n(&(x), USPACE_LOAD)
#define WRITE_ONCE(x, v) \
	__atomic_store_n(&(x), (__typeof__(x))(v), USPACE_STORE)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define barrier()	__asm__ __volatile__("" : : : "memory")
#define rmb()		barrier()
#define wmb()		barrier()
#define dma_rmb()	barrier()
#define dma_wmb()	barrier()
#define smp_wmb()	barrier()
/*
 * Builds in which memory may go, and a test may be called, between two accesses of
 * the core: not those where instructions are counted.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(FUZZER)
#define USPACE_EVENTS
#endif
/* A test may have something happen there, between two reads of the core */
extern void (*uspace_at_rmb)(void);
#define smp_rmb() do {							\
	void (*_then)(void) = uspace_at_rmb;				\
									\
	barrier();							\
	if (_then)							\
		_then();						\
} while (0)
/* Memory of the host's that is gone when it is used, see harness.h */
#ifdef USPACE_EVENTS
extern u8 *uspace_gone;
#define uspace_is_gone(p, n)						\
	(uspace_gone && (u8 *)(p) + (n) > uspace_gone &&		\
	 (u8 *)(p) < uspace_gone + 4096)
#else
#define uspace_is_gone(p, n)	false
#endif
#define nvmev_host_read(p, gone)					\
	(uspace_is_gone(p, sizeof(*(p))) ? (gone) : READ_ONCE(*(p)))
#define nvmev_host_write(p, v) ({					\
	bool _there = !uspace_is_gone(p, sizeof(*(p)));			\
									\
	if (_there)							\
		WRITE_ONCE(*(p), v);					\
	_there;								\
})

static inline bool nvmev_host_copy(void *to, const void *from, size_t len)
{
	if (uspace_is_gone(to, len) || uspace_is_gone(from, len))
		return false;
	memcpy(to, from, len);
	return true;
}

static inline bool nvmev_host_zero(void *to, size_t len)
{
	if (uspace_is_gone(to, len))
		return false;
	memset(to, 0, len);
	return true;
}

#define cmpxchg(p, old, new) ({						\
	__typeof__(*(p)) _old = (old);					\
									\
	__atomic_compare_exchange_n(p, &_old, new, false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
	_old;								\
})
#define smp_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define cpu_relax()	__builtin_ia32_pause()

/* --- byte order ------------------------------------------------------------ */

#define __force_to(type, x)	((type)(x))
#define cpu_to_le16(x)		__force_to(__le16, htole16(x))
#define cpu_to_le32(x)		__force_to(__le32, htole32(x))
#define cpu_to_le64(x)		__force_to(__le64, htole64(x))
#define le16_to_cpu(x)		le16toh(__force_to(u16, x))
#define le32_to_cpu(x)		le32toh(__force_to(u32, x))
#define le64_to_cpu(x)		le64toh(__force_to(u64, x))

#define USPACE_UNALIGNED(bits, order)					\
static inline u##bits get_unaligned_##order##bits(const void *p)	\
{									\
	u##bits v;							\
									\
	memcpy(&v, p, sizeof(v));					\
	return order##bits##toh(v);					\
}									\
									\
static inline void put_unaligned_##order##bits(u##bits v, void *p)	\
{									\
	v = hto##order##bits(v);					\
	memcpy(p, &v, sizeof(v));					\
}

USPACE_UNALIGNED(16, le)
USPACE_UNALIGNED(32, le)
USPACE_UNALIGNED(64, le)
USPACE_UNALIGNED(64, be)

static inline void *memset32(void *p, u32 v, size_t n)
{
	u32 *words = p;

	while (n--)
		*words++ = v;
	return p;
}

/* --- bits ------------------------------------------------------------------ */

#define set_bit(n, p)	__atomic_fetch_or(p, BIT(n), __ATOMIC_SEQ_CST)
#define clear_bit(n, p)	__atomic_fetch_and(p, ~BIT(n), __ATOMIC_SEQ_CST)
#define test_bit(n, p)	(!!(READ_ONCE(*(p)) & BIT(n)))
#define __set_bit(n, p)	(*(p) |= BIT(n))
#define __clear_bit(n, p)	(*(p) &= ~BIT(n))
#define __ffs(n)	__builtin_ctzl(n)
#define for_each_set_bit(n, p, size)			\
	for ((n) = 0; (n) < (size); (n)++)		\
		if (test_bit(n, p))

static inline bool test_and_clear_bit(unsigned int n, unsigned long *p)
{
	return __atomic_fetch_and(p, ~BIT(n), __ATOMIC_SEQ_CST) & BIT(n);
}

static inline bool __test_and_clear_bit(unsigned int n, unsigned long *p)
{
	bool was = test_bit(n, p);

	__clear_bit(n, p);
	return was;
}

/* --- lists ----------------------------------------------------------------- */

struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline bool list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}

static inline void list_insert(struct list_head *node, struct list_head *prev)
{
	node->next = prev->next;
	node->prev = prev;
	prev->next->prev = node;
	prev->next = node;
}

static inline void list_add(struct list_head *node, struct list_head *head)
{
	list_insert(node, head);
}

static inline void list_add_tail(struct list_head *node,
				 struct list_head *head)
{
	list_insert(node, head->prev);
}

static inline void list_del(struct list_head *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
}

static inline void list_del_init(struct list_head *node)
{
	list_del(node);
	INIT_LIST_HEAD(node);
}

static inline void list_move_tail(struct list_head *node,
				  struct list_head *head)
{
	list_del(node);
	list_add_tail(node, head);
}

#define list_first_entry(head, type, member) \
	container_of((head)->next, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_next_entry(pos, member) \
	list_first_entry(&(pos)->member, __typeof__(*(pos)), member)
#define list_entry	container_of
#define list_for_each_entry(pos, head, member)				\
	for (pos = list_first_entry(head, __typeof__(*pos), member);	\
	     &pos->member != (head);					\
	     pos = list_first_entry(&pos->member, __typeof__(*pos), member))

#define list_for_each_entry_safe(pos, n, head, member)			\
	for (pos = list_first_entry(head, __typeof__(*pos), member),	\
	     n = list_first_entry(&pos->member, __typeof__(*pos), member); \
	     &pos->member != (head);					\
	     pos = n, n = list_first_entry(&n->member, __typeof__(*n), member))

/* --- timerqueue ------------------------------------------------------------ */

/*
 * A red-black tree that knows its first node, as the kernel's is, and of the
 * same size. First in, first out among equal times.
 */
struct timerqueue_node {
	/* The colour is in the lowest bit: 1 for red */
	unsigned long parent;
	struct timerqueue_node *child[2];
	ktime_t expires;
};

struct timerqueue_head {
	struct timerqueue_node *root, *first;
};

void timerqueue_init(struct timerqueue_node *node);
void timerqueue_init_head(struct timerqueue_head *head);
bool timerqueue_add(struct timerqueue_head *head, struct timerqueue_node *node);
bool timerqueue_del(struct timerqueue_head *head, struct timerqueue_node *node);

static inline struct timerqueue_node *
timerqueue_getnext(struct timerqueue_head *head)
{
	return head->first;
}

/* --- allocation ------------------------------------------------------------ */

#define GFP_KERNEL	0

void *uspace_alloc(size_t n, size_t size, bool zero);

#define kzalloc(size, gfp)		uspace_alloc(1, size, true)
#define kvmalloc_array(n, size, gfp)	uspace_alloc(n, size, false)
#define kvcalloc(n, size, gfp)		uspace_alloc(n, size, true)
#define kfree(p)			free((void *)(p))
#define kvfree(p)			free((void *)(p))
#define get_zeroed_page(gfp)		((unsigned long)kzalloc(4096, gfp))
#define free_page(p)			free((void *)(p))

/* --- phases of a command ---------------------------------------------------- */

/*
 * Where the time goes, see speed.c: what the core calls anyway tells how far a
 * command has got. Only the variant "phases" looks at the clock there.
 */
enum uspace_phase {
	USPACE_POLL,
	USPACE_FETCH,
	USPACE_CHECK,
	USPACE_TIMING,
	USPACE_TRANSFER,
	USPACE_COPY,
	USPACE_HOLD,
	USPACE_COMPLETE,
	USPACE_PHASES,
};

#ifdef USPACE_PHASES_ON
extern enum uspace_phase uspace_phase;

void uspace_enter(enum uspace_phase phase);
#else
#define uspace_phase		USPACE_POLL
#define uspace_enter(phase)	do { } while (0)
#endif

#define uspace_phase_nvmev_fetch()	uspace_enter(USPACE_FETCH)
#define uspace_phase_nvmev_due()	uspace_enter(USPACE_TRANSFER)
#define uspace_phase_nvmev_complete()	uspace_enter(USPACE_COMPLETE)

static inline void uspace_phase_lock(void)
{
	if (uspace_phase == USPACE_FETCH)
		uspace_enter(USPACE_TIMING);
}

/* --- locks ----------------------------------------------------------------- */

struct mutex {
	pthread_mutex_t lock;
};

/* One locked instruction without contention, as the kernel's */
typedef struct {
	u32 locked;
} spinlock_t;

void uspace_spin_wait(spinlock_t *lock);

static inline void spin_lock(spinlock_t *lock)
{
	uspace_phase_lock();
	if (unlikely(__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE)))
		uspace_spin_wait(lock);
}

/* Called after each, where the time that it takes is no matter */
#ifdef USPACE_EVENTS
extern void (*uspace_at_unlock)(void);
#endif

static inline void spin_unlock(spinlock_t *lock)
{
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
#ifdef USPACE_EVENTS
	if (uspace_at_unlock)
		uspace_at_unlock();
#endif
}

#define spin_lock_init(l)	((l)->locked = 0)
#define spin_lock_nested(l, n)	spin_lock(l)
#define __acquires(l)
#define __releases(l)
#define DEFINE_MUTEX(m)		struct mutex m = { PTHREAD_MUTEX_INITIALIZER }
#define mutex_init(m)		pthread_mutex_init(&(m)->lock, NULL)
#define mutex_lock(m)		pthread_mutex_lock(&(m)->lock)
#define mutex_unlock(m)		pthread_mutex_unlock(&(m)->lock)
#define lockdep_assert_held(l)	((void)(l))

/* --- threads --------------------------------------------------------------- */

struct completion {
	bool done;
};

struct task_struct {
	pthread_t thread;
	bool started;
	bool stop;
	int (*fn)(void *data);
	void *data;
};

#define TASK_IDLE		0
#define TASK_RUNNING		0
#define HRTIMER_MODE_REL	0
#define MIN_NICE		(-20)

#define init_completion(c)	((c)->done = false)
#define reinit_completion(c)	((c)->done = false)
/* Whoever waits may be the first to go on */
extern void (*uspace_at_complete)(void);
#define complete(c) do {						\
	void (*_then)(void) = uspace_at_complete;			\
									\
	smp_store_release(&(c)->done, true);				\
	if (_then)							\
		_then();						\
} while (0)
#define complete_all(c)		complete(c)
void wait_for_completion(struct completion *done);

#define set_current_state(s)	do { } while (0)
#define __set_current_state(s)	do { } while (0)
#define cond_resched_tasks_rcu_qs()	do { } while (0)
#define memalloc_noio_save()	0
#define memalloc_noio_restore(flags)	((void)(flags))
#define cpu_to_node(cpu)	((void)(cpu), 0)
#define ns_to_ktime(ns)		((ktime_t)(ns))
#define ktime_to_ns(kt)		((s64)(kt))
#define IS_ERR(p)		((unsigned long)(p) >= -4095UL)
#define PTR_ERR(p)		((long)(p))

struct task_struct *kthread_create_on_node(int (*fn)(void *data), void *data,
					   int node, const char *name, ...);
void wake_up_process(struct task_struct *task);
int kthread_stop(struct task_struct *task);
bool kthread_should_stop(void);
void schedule(void);
void schedule_hrtimeout_range(ktime_t *timeout, u64 delta, int mode);

#define kthread_bind(task, cpu)		((void)(cpu))
#define set_user_nice(task, nice)	((void)(task))

/* --- tracepoints ----------------------------------------------------------- */

#define TP_PROTO(...)	__VA_ARGS__
#define TRACE_EVENT(name, proto, ...) \
	static inline void trace_##name(proto) { uspace_phase_##name(); }

/* --- output ---------------------------------------------------------------- */

struct seq_file {
	FILE *file;
};

#define seq_printf(m, ...)	fprintf((m)->file, __VA_ARGS__)
#define seq_puts(m, s)		fputs(s, (m)->file)

#define KBUILD_MODNAME		"nvmev"

extern bool uspace_quiet;

#define uspace_log(...) do {			\
	if (!uspace_quiet)			\
		fprintf(stderr, __VA_ARGS__);	\
} while (0)
#define pr_err(...)			uspace_log(__VA_ARGS__)
#define pr_warn_ratelimited(...)	uspace_log(__VA_ARGS__)

#endif /* _USPACE_H */
