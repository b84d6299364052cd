// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that asks for what the controller does not have, and goes.
 *
 *	refused RESOURCE
 *
 * Enables it with admin queues of one entry (3.1.8), waits until CSTS.CFS says that
 * it is not, and leaves CC.EN set.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"

static u32 *bar;

static u32 reg_read(u32 reg)
{
	return __atomic_load_n(bar + reg / 4, __ATOMIC_ACQUIRE);
}

static void reg_write(u32 reg, u32 value)
{
	__atomic_store_n(bar + reg / 4, value, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + 30;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s RESOURCE\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	raw_need(fd >= 0);
	bar = mmap(NULL, RAW_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	raw_need(bar != MAP_FAILED);

	reg_write(R_CC, 0);
	while (reg_read(R_CSTS) & (CSTS_RDY | CSTS_CFS))
		raw_need(time(NULL) < end);
	reg_write(R_AQA, 0);
	reg_write(R_CC, CC_NORMAL | CC_EN);
	while (reg_read(R_CSTS) != CSTS_CFS)
		raw_need(time(NULL) < end);
	return 0;
}
