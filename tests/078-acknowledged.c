// SPDX-License-Identifier: GPL-2.0
/*
 * 078-acknowledged.c DISK STATE init|write|check
 * 078-acknowledged.c - STATE serve
 *
 * Writes to a disk that may die at any moment, and says afterwards whether it
 * has kept its word. Every write has a number that is larger than those before
 * it, and stands in each sector. STATE outlives this process: for each block
 * the number that was last sent, and the one that was last acknowledged. A block
 * must hold neither less than the latter nor more than the former, and a sector
 * must be whole.
 *
 * "write" goes on until SIGTERM or the first error of each thread, which is
 * what it is for; "check" prints a summary, or what is wrong and fails.
 *
 * "serve" lives through the end of its disk, because starting a process takes
 * longer than a reset. It reads commands, and answers each with a line:
 *
 *	open DISK	checks it (the answer is check's), and begins to write
 *	more		has written some more, without an error
 *	lost		every thread has ended with an error, the disk is closed
 *	close		no thread writes any more, the disk is closed
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS		8
#define BLOCK		4096
#define SECTOR		512
#define BLOCKS_EACH	512
#define BLOCKS		(THREADS * BLOCKS_EACH)
/* A divisor of BLOCKS */
#define MAX_RUN		32
/* How many writes serve waits for */
#define SOME		32
#define FILL		((SECTOR - 16) / 8)

struct state {
	uint64_t next;
	uint64_t sent[BLOCKS];
	uint64_t acknowledged[BLOCKS];
};

struct sector {
	uint64_t number;
	uint32_t block;
	uint32_t sector;
	uint64_t fill[FILL];
};

_Static_assert(sizeof(struct sector) == SECTOR, "no padding");

static struct state *state;
static pthread_t threads[THREADS];
static int disk;
static bool stop;
/* Writes acknowledged, and threads that go on, of this process */
static unsigned long done_writes;
static unsigned int running;
/* Of the thread that failed last */
static int write_error;

static void end(int signal)
{
	(void)signal;
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static void make_sector(struct sector *sector, uint32_t block, uint32_t at,
			uint64_t number)
{
	uint64_t fill = mix(number * BLOCKS + block) + at;
	size_t i;

	sector->number = number;
	sector->block = block;
	sector->sector = at;
	for (i = 0; i < FILL; i++)
		sector->fill[i] = fill + i;
}

static void make_block(void *buf, uint32_t block, uint64_t number)
{
	uint32_t i;

	for (i = 0; i < BLOCK / SECTOR; i++)
		make_sector((struct sector *)buf + i, block, i, number);
}

static bool write_run(void *buf, uint32_t first, uint32_t nr)
{
	ssize_t done;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		uint64_t number = __atomic_add_fetch(&state->next, 1,
						     __ATOMIC_RELAXED);

		make_block((char *)buf + i * BLOCK, first + i, number);
		__atomic_store_n(&state->sent[first + i], number,
				 __ATOMIC_RELEASE);
	}
	done = pwrite(disk, buf, (size_t)nr * BLOCK, (off_t)first * BLOCK);
	if (done < 0)
		__atomic_store_n(&write_error, errno, __ATOMIC_RELAXED);
	for (i = 0; i < nr && done >= (ssize_t)(i + 1) * BLOCK; i++)
		__atomic_store_n(&state->acknowledged[first + i],
				 state->sent[first + i], __ATOMIC_RELEASE);
	if (done != (ssize_t)nr * BLOCK)
		return false;
	__atomic_add_fetch(&done_writes, 1, __ATOMIC_RELAXED);
	return true;
}

static void *writer(void *arg)
{
	uint32_t first = (uintptr_t)arg * BLOCKS_EACH;
	uint64_t seed = mix(state->next + first) | 1;
	void *buf = aligned_alloc(BLOCK, MAX_RUN * BLOCK);
	bool good = true;

	if (!buf)
		err(1, "aligned_alloc");
	while (good && !__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint32_t at, nr;

		seed = mix(seed + 1);
		nr = seed % 4 ? 1 : 1 + (seed >> 8) % MAX_RUN;
		at = (seed >> 16) % (BLOCKS_EACH - nr + 1);
		good = write_run(buf, first + at, nr);
	}
	free(buf);
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void start_threads(void)
{
	uintptr_t i;

	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	__atomic_store_n(&running, THREADS, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, writer, (void *)i))
			errx(1, "no thread");
}

static void join_threads(void)
{
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void write_all(void)
{
	struct sigaction action = { .sa_handler = end };

	sigaction(SIGTERM, &action, NULL);
	start_threads();
	join_threads();
}

static void init(void)
{
	void *buf = aligned_alloc(BLOCK, MAX_RUN * BLOCK);
	uint32_t at;

	for (at = 0; at < BLOCKS; at += MAX_RUN)
		if (!write_run(buf, at, MAX_RUN))
			err(1, "write of block %u", at);
	free(buf);
}

/* The sectors of a block; blocks are read in runs, from the first one on. */
static const struct sector *read_block(uint32_t block)
{
	static struct sector run[MAX_RUN * BLOCK / SECTOR]
		__attribute__((aligned(BLOCK)));

	if (block % MAX_RUN == 0 &&
	    pread(disk, run, sizeof(run), (off_t)block * BLOCK) != sizeof(run))
		err(1, "read of blocks from %u on", block);
	return run + block % MAX_RUN * (BLOCK / SECTOR);
}

static void check(void)
{
	const struct sector *sectors;
	struct sector wanted;
	unsigned int open = 0, kept = 0, bad = 0;
	uint32_t block, i;

	for (block = 0; block < BLOCKS; block++) {
		uint64_t sent = state->sent[block];
		uint64_t acknowledged = state->acknowledged[block];
		uint64_t least = UINT64_MAX, most = 0;

		sectors = read_block(block);
		for (i = 0; i < BLOCK / SECTOR; i++) {
			uint64_t number = sectors[i].number;

			make_sector(&wanted, block, i, number);
			if (number < acknowledged || number > sent ||
			    memcmp(&wanted, &sectors[i], SECTOR)) {
				if (bad++ < 10)
					printf("block %u, sector %u: number %llu (of block %u, sector %u), acknowledged %llu, sent %llu\n",
					       block, i,
					       (unsigned long long)number,
					       sectors[i].block,
					       sectors[i].sector,
					       (unsigned long long)acknowledged,
					       (unsigned long long)sent);
				continue;
			}
			if (number < least)
				least = number;
			if (number > most)
				most = number;
		}
		if (sent != acknowledged) {
			open++;
			kept += most == sent;
		}
		/* From now on this is what it holds */
		state->acknowledged[block] = least;
		state->sent[block] = most;
	}
	printf("%llu blocks written so far, %u of %u were on their way at the end, of which %u are there\n",
	       (unsigned long long)state->next, open, BLOCKS, kept);
	if (bad)
		errx(1, "%u sectors are wrong", bad);
}

static void open_disk(const char *name)
{
	disk = open(name, O_RDWR | O_DIRECT);
	if (disk < 0)
		err(1, "%s", name);
}

/* The one who asked says when that takes too long. */
static void write_some(void)
{
	unsigned long enough = __atomic_load_n(&done_writes,
					       __ATOMIC_RELAXED) + SOME;

	while (__atomic_load_n(&done_writes, __ATOMIC_RELAXED) < enough) {
		if (__atomic_load_n(&running, __ATOMIC_RELAXED) < THREADS)
			errx(1, "a write fails: %s", strerror(write_error));
		usleep(1000);
	}
}

static void serve(void)
{
	char line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "open ", 5)) {
			open_disk(line + 5);
			check();
			start_threads();
			continue;
		}
		if (!strcmp(line, "more")) {
			write_some();
			puts("ok");
			continue;
		}
		if (!strcmp(line, "close"))
			__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
		else if (strcmp(line, "lost"))
			errx(2, "what is '%s'?", line);
		join_threads();
		close(disk);
		puts("ok");
	}
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 4)
		errx(2, "usage: %s DISK STATE init|write|check, or - STATE serve",
		     argv[0]);
	fd = open(argv[2], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*state)))
		err(1, "%s", argv[2]);
	if (strcmp(argv[3], "serve"))
		open_disk(argv[1]);
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (state == MAP_FAILED)
		err(1, "mmap");
	if (!strcmp(argv[3], "serve"))
		serve();
	else if (!strcmp(argv[3], "init"))
		init();
	else if (!strcmp(argv[3], "write"))
		write_all();
	else
		check();
	return 0;
}
