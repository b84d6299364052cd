// SPDX-License-Identifier: GPL-2.0
/*
 * 057-config-abuse.c SEED SECONDS DEVICE
 *
 * Writes whatever comes to the configuration space of a PCI function, DEVICE in
 * sysfs, from two threads at once, and to its MSI-X table, whoever may be using
 * them. Ends early when the function is gone. At the end all is written back as
 * it was, as far as it can be written.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CONFIG_BYTES	256
#define BAR_BYTES	0x10000
#define MSIX_TABLE	0x8000
#define MSIX_BYTES	(129 * 16)

static int config;
static uint8_t before[CONFIG_BYTES];
static uint32_t *table;
static time_t end;
static unsigned long long writes;

static uint64_t next(uint64_t *rnd)
{
	*rnd ^= *rnd >> 12;
	*rnd ^= *rnd << 25;
	*rnd ^= *rnd >> 27;
	return *rnd * 0x2545f4914f6cdd1dULL;
}

static bool abuse_config(uint64_t *rnd)
{
	unsigned int size = 1U << next(rnd) % 3, at;
	uint32_t value = next(rnd);

	at = next(rnd) % CONFIG_BYTES & ~(size - 1);
	/* As it was, or one bit of that changed, as often as anything at all */
	if (next(rnd) % 2) {
		memcpy(&value, before + at, size);
		if (next(rnd) % 2)
			value ^= 1U << next(rnd) % (8 * size);
	}
	return pwrite(config, &value, size, at) == (ssize_t)size;
}

static void *abuse(void *arg)
{
	uint64_t rnd = (uintptr_t)arg | 1;
	unsigned long long done = 0;

	while (time(NULL) < end) {
		if (table && next(&rnd) % 2)
			__atomic_store_n(table + next(&rnd) % (MSIX_BYTES / 4),
					 next(&rnd) >> next(&rnd) % 64,
					 __ATOMIC_RELAXED);
		else if (!abuse_config(&rnd))
			break;
		done++;
	}
	__atomic_add_fetch(&writes, done, __ATOMIC_RELAXED);
	return NULL;
}

static int open_in(const char *dir, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, O_RDWR);
}

int main(int argc, char **argv)
{
	uint64_t seed;
	pthread_t other;
	int bar, i;
	void *map;

	if (argc != 4)
		errx(2, "usage: %s SEED SECONDS DEVICE", argv[0]);
	seed = strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ULL;
	end = time(NULL) + strtol(argv[2], NULL, 0);
	config = open_in(argv[3], "config");
	bar = open_in(argv[3], "resource0");
	if (config < 0 || bar < 0)
		err(1, "%s", argv[3]);
	if (pread(config, before, sizeof(before), 0) != sizeof(before))
		err(1, "configuration space");
	map = mmap(NULL, BAR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, bar, 0);
	if (map == MAP_FAILED)
		err(1, "BAR0: is iomem=relaxed in force?");
	table = (uint32_t *)((char *)map + MSIX_TABLE);

	if (pthread_create(&other, NULL, abuse, (void *)(uintptr_t)~seed))
		errx(1, "no thread");
	abuse((void *)(uintptr_t)seed);
	pthread_join(other, NULL);

	for (i = 0; i < CONFIG_BYTES; i += 4)
		if (pwrite(config, before + i, 4, i) != 4)
			break;
	printf("%llu writes\n", writes);
	return 0;
}
