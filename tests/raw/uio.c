// SPDX-License-Identifier: GPL-2.0
/*
 * A driver in user space that gets interrupts: through uio_pci_generic, which the
 * function is bound to, and which knows the interrupt line alone.
 *
 *	uio ROUNDS
 *
 * A round is some reads and an interrupt, which uio_pci_generic masks by the
 * Command register. Unmasked with completions that are left it must come again,
 * and with none left it must not. None may be missing.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "raw.h"

#define QUEUE_SIZE	64
#define MAX_READS	32
#define PATIENCE_MS	20000
/* An interrupt that nobody asked for would be there by then */
#define QUIET_MS	20
/* Unmasked with completions not taken, in one of so many rounds */
#define REPEAT_EVERY	8

static int uio;

/* The one device that there is of uio */
static void open_uio(void)
{
	char name[64];
	int nr;

	for (nr = 0; nr < 8; nr++) {
		snprintf(name, sizeof(name), "/dev/uio%d", nr);
		uio = open(name, O_RDWR);
		if (uio >= 0)
			return;
	}
	raw_die("there is no /dev/uio");
}

/* Whether there was one; sets how many there have been since the start */
static bool interrupt(int ms, u32 *count)
{
	struct pollfd pollfd = { .fd = uio, .events = POLLIN };

	if (poll(&pollfd, 1, ms) != 1)
		return false;
	raw_need(read(uio, count, sizeof(*count)) == sizeof(*count));
	return true;
}

static u32 take_all(struct raw_cq *cq)
{
	struct raw_cqe cqe;
	u32 nr = 0;

	while (raw_get(cq, &cqe)) {
		raw_need(!raw_sc(&cqe));
		nr++;
	}
	if (nr)
		raw_ring_cq(cq);
	return nr;
}

/* The device looks at the doorbell when it next has time to */
static void wait_deasserted(void)
{
	u64 end = raw_now_ns() + PATIENCE_MS * RAW_MS;

	while (raw_intx_is_asserted()) {
		if (raw_now_ns() > end)
			raw_die("the line stays asserted");
		raw_pause();
	}
}

int main(int argc, char **argv)
{
	struct raw_options options = { .mem_bytes = 4U << 20 };
	u64 rnd = 1, rounds, round, reads = 0, repeated = 0;
	u32 count = 0, before, first, left, unmasked, nr, i;
	struct raw_sqe sqe = { .opcode = N_READ };
	struct raw_cq cq;
	struct raw_sq sq;
	u8 *data;

	if (argc != 2) {
		fprintf(stderr, "usage: %s ROUNDS\n", argv[0]);
		return 2;
	}
	rounds = strtoull(argv[1], NULL, 0);
	raw_open(&options);
	open_uio();
	data = raw_alloc(RAW_PAGE);
	raw_need(raw_disable() && raw_enable());
	raw_cq_init(&cq, 1, QUEUE_SIZE);
	raw_sq_init(&sq, 1, QUEUE_SIZE, &cq);
	sqe = (struct raw_sqe){
		.opcode = A_CREATE_CQ, .prp1 = raw_addr(cq.ring),
		.cdw10 = (QUEUE_SIZE - 1) << 16 | cq.qid,
		/* Vector 0, with its interrupt */
		.cdw11 = 3,
	};
	raw_need(!raw_sync(&raw_asq, &sqe, NULL));
	raw_need(!raw_create_sq(&sq));

	/* The admin completions have interrupted, and were taken by polling */
	wait_deasserted();
	raw_set_intx(true);
	while (interrupt(QUIET_MS, &count))
		raw_set_intx(true);
	first = count;

	for (round = 0; round < rounds; round++) {
		before = count;
		nr = 1 + raw_random(&rnd) % MAX_READS;
		for (i = 0; i < nr; i++) {
			sqe = (struct raw_sqe){
				.opcode = N_READ, .prp1 = raw_addr(data),
			};
			raw_lba(&sqe, 1, raw_random(&rnd) % 1024, 1);
			raw_put(&sq, &sqe);
		}
		raw_ring(&sq);
		unmasked = 0;
		for (left = nr; left; ) {
			if (!interrupt(PATIENCE_MS, &count))
				raw_die("round %llu: no interrupt for %u of %u reads",
					round, left, nr);
			raw_need(!raw_intx_is_on());
			if (round % REPEAT_EVERY == 0 && left == nr) {
				/* Still asserted: it comes again */
				raw_set_intx(true);
				unmasked++;
				if (!interrupt(PATIENCE_MS, &count))
					raw_die("round %llu: not again for completions that were left",
						round);
				repeated++;
			}
			left -= take_all(&cq);
			if (left) {
				raw_set_intx(true);
				unmasked++;
			}
		}
		wait_deasserted();
		raw_set_intx(true);
		unmasked++;
		/* One that was on its way when the last one was taken */
		while (interrupt(0, &count))
			raw_set_intx(true);
		reads += nr;
		/* Each needs that it is unmasked before */
		if (count - before > unmasked + 1)
			raw_die("round %llu: %u interrupts, unmasked %u times",
				round, count - before, unmasked);
		/* Another one may have been on its way, too */
		if (round % 64 == 0 && interrupt(QUIET_MS, &count)) {
			raw_set_intx(true);
			if (interrupt(QUIET_MS, &count))
				raw_die("round %llu: interrupts for nothing",
					round);
		}
	}
	printf("%llu reads in %llu rounds, %u interrupts, of which %llu came again for what was left\n",
	       reads, rounds, count - first, repeated);
	close(uio);
	raw_close();
	return 0;
}
