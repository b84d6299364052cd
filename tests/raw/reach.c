// SPDX-License-Identifier: GPL-2.0
/*
 * The function as PCI has it: what a host may do to its configuration space
 * while the controller works. The BAR is mapped all the time, so whatever is
 * not decoded would be seen at once.
 *
 *	reach SEED
 */
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <unistd.h>

#include "raw.h"

/* PCI 3.0, 6.1 */
#define CFG_COMMAND	0x04
#define CFG_STATUS	0x06
#define STATUS_INTERRUPT	8
#define CFG_BAR0	0x10
#define COMMAND_MEMORY	2
#define COMMAND_MASTER	4
#define CAP_PM		0x01
#define CAP_MSIX	0x11
#define MSIX_ENABLE	0x8000
#define MSIX_TABLE	0x8000
#define MSIX_PBA	0xc000

#define CONFIG_SECONDS	3

/*
 * A command in flight takes so long, so that a machine that stands still for a
 * while changes nothing; what has not come after twice that does not come.
 */
#define IN_FLIGHT_MS	1000
#define COMES_NOT_MS	2000
#define COMES_MS	20000

static struct raw_cq cq;
static struct raw_sq sq;
static u8 *buf;
static int config;
static u8 saved[256];
static bool stop;

static u32 config_read(unsigned int where, unsigned int size)
{
	u32 value = 0;

	raw_need(pread(config, &value, size, where) == (ssize_t)size);
	return value;
}

static void config_write(unsigned int where, unsigned int size, u32 value)
{
	raw_need(pwrite(config, &value, size, where) == (ssize_t)size);
}

static unsigned int find_cap(u8 id)
{
	unsigned int where = config_read(0x34, 1);

	while (where && config_read(where, 1) != id)
		where = config_read(where + 1, 1);
	raw_need(where);
	return where;
}

/* Without looking at the device: only time passes */
static void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

static void submit(u32 bytes)
{
	struct raw_sqe sqe = { .opcode = N_READ, .prp1 = raw_addr(buf) };

	raw_lba(&sqe, 1, 0, bytes / 512);
	raw_put(&sq, &sqe);
	raw_ring(&sq);
}

static bool comes_within(unsigned int ms)
{
	u64 end = raw_now_ns() + ms * RAW_MS;

	while (!raw_peek(&cq)) {
		if (raw_now_ns() > end)
			return false;
		raw_pause();
	}
	return true;
}

static void take(void)
{
	struct raw_cqe cqe;

	raw_need(raw_wait(&cq, &cqe) == SC_OK);
}

static void start(void)
{
	raw_need(raw_enable());
	raw_cq_init(&cq, 1, 16);
	raw_sq_init(&sq, 1, 16, &cq);
	raw_need(!raw_create_cq(&cq) && !raw_create_sq(&sq));
}

static void works(void)
{
	raw_need(!raw_identify(1, 0, buf));
	submit(512);
	take();
}

/* Everything that a controller obeys, written where nobody listens */
static void write_everywhere(void)
{
	unsigned int qid;

	raw_write32(R_CC, 0);
	raw_write32(R_NSSR, NSSR_RESET);
	raw_write32(R_INTMS, ~0U);
	raw_write32(R_AQA, 0);
	raw_write64(R_ASQ, 0);
	for (qid = 0; qid < 4; qid++) {
		raw_write32(raw_doorbell(qid, false), 3);
		raw_write32(raw_doorbell(qid, true), 3);
	}
}

/* A command is in flight while @off lasts: @dma tells whether it completes */
static void out_of_reach(const char *what, void (*set)(bool off), bool dma)
{
	u32 cc = raw_read32(R_CC), aqa = raw_read32(R_AQA);

	works();
	raw_latency_us(IN_FLIGHT_MS * 1000);
	submit(4096);
	sleep_ms(50);
	set(true);
	write_everywhere();
	if (comes_within(dma ? COMES_MS : COMES_NOT_MS) != dma)
		raw_die("%s: the command in flight %s", what,
			dma ? "is lost" : "completes");
	set(false);
	raw_latency_us(0);
	take();
	if (raw_read32(R_CC) != cc || raw_read32(R_AQA) != aqa ||
	    raw_read32(R_INTMS) || raw_read32(R_CSTS) != CSTS_RDY)
		raw_die("%s: CC %#x, AQA %#x, CSTS %#x afterwards", what,
			raw_read32(R_CC), raw_read32(R_AQA),
			raw_read32(R_CSTS));
	works();
	printf("%s: ok\n", what);
}

static void memory_space(bool off)
{
	u16 command = config_read(CFG_COMMAND, 2);

	config_write(CFG_COMMAND, 2, off ? command & ~COMMAND_MEMORY :
					   command | COMMAND_MEMORY);
}

static void sleep_d3(bool off)
{
	unsigned int pmcsr = find_cap(CAP_PM) + 4;
	unsigned int state;

	config_write(pmcsr, 2, off ? 3 : 0);
	raw_need((config_read(pmcsr, 2) & 3) == (off ? 3 : 0));
	/* D1 and D2 are not there: writing them changes nothing */
	for (state = 1; state <= 2; state++) {
		config_write(pmcsr, 2, state);
		raw_need((config_read(pmcsr, 2) & 3) == (off ? 3 : 0));
	}
	/* No_Soft_Reset: back in D0 all is as it was */
	raw_need(config_read(pmcsr, 2) & 8);
	/* PCI PM 1.2, 5.4: the host waits for 10 ms */
	sleep_ms(10);
}

static void move_bar(bool off)
{
	static u32 low;

	if (!off) {
		config_write(CFG_BAR0, 4, low);
		return;
	}
	low = config_read(CFG_BAR0, 4);
	/* Its size, as any host finds it out, then another place */
	config_write(CFG_BAR0, 4, ~0U);
	raw_need(config_read(CFG_BAR0, 4) == 0xffff0004);
	config_write(CFG_BAR0, 4, low + 0x100000);
	raw_need(config_read(CFG_BAR0, 4) == low + 0x100000);
}

static void no_master(void)
{
	works();
	raw_latency_us(IN_FLIGHT_MS * 1000);
	submit(4096);
	sleep_ms(50);
	raw_set_dma(false);
	if (comes_within(COMES_NOT_MS))
		raw_die("Bus Master off: the command in flight completes");
	raw_set_dma(true);
	raw_latency_us(0);
	take();
	works();
	puts("bus master off: ok");
}

/* The line follows the doorbell once the device has looked at it */
static bool line_falls(void)
{
	u64 end = raw_now_ns() + COMES_MS * RAW_MS;

	while (config_read(CFG_STATUS, 2) & STATUS_INTERRUPT)
		if (raw_now_ns() > end)
			return false;
	return true;
}

static bool pending_is(bool pending, u64 ms)
{
	u64 end = raw_now_ns() + ms * 1000000;

	while ((raw_read32(MSIX_PBA) & 1) != pending)
		if (raw_now_ns() > end)
			return false;
	return true;
}

/* A message is DMA: what could not be sent is owed until it can */
static void pending_without_master(void)
{
	unsigned int control = find_cap(CAP_MSIX) + 2;
	u16 value = config_read(control, 2);

	raw_write32(MSIX_TABLE + 12, 1);
	config_write(control, 2, value | MSIX_ENABLE);
	/* The admin queue interrupts with vector 0, which is masked */
	raw_need(!raw_identify(1, 0, buf));
	raw_need(pending_is(true, COMES_MS));
	raw_set_dma(false);
	raw_write32(MSIX_TABLE + 12, 0);
	if (pending_is(false, COMES_NOT_MS))
		raw_die("Bus Master off: a pending message is lost");
	raw_set_dma(true);
	if (!pending_is(false, COMES_MS))
		raw_die("Bus Master on again: a message stays pending");
	config_write(control, 2, value);
	raw_write32(MSIX_TABLE + 12, 1);
	works();
	puts("message pending without bus master: ok");
}

static void flr_in_flight(void)
{
	raw_latency_us(IN_FLIGHT_MS * 1000);
	submit(4096);
	sleep_ms(50);
	raw_need(raw_flr());
	raw_latency_us(0);
	raw_need(!raw_read32(R_CC) && !raw_read32(R_CSTS));
	if (comes_within(COMES_NOT_MS))
		raw_die("function level reset: the command in flight completes");
	start();
	works();
	puts("function level reset with a command in flight: ok");
}

/* Writes anything anywhere in the configuration space, resets included */
static void *config_thread(void *data)
{
	u64 seed = *(u64 *)data;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		unsigned int size = 1 << raw_random(&seed) % 3;
		unsigned int where = raw_random(&seed) % 256 & ~(size - 1);

		if (raw_random(&seed) & 1)
			config_write(where, size, raw_random(&seed));
		else
			config_read(where, size);
	}
	return NULL;
}

static void table_write(u64 *seed)
{
	/* The MSI-X table and its pending bits */
	raw_write32(0x8000 + raw_random(seed) % 0x1400 * 4,
		    raw_random(seed));
}

static void config_from_all_sides(u64 seed)
{
	u64 end = raw_now_ns() + CONFIG_SECONDS * RAW_S, seeds[3];
	pthread_t threads[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		seeds[i] = raw_mix(seed + i) | 1;
		raw_need(!pthread_create(&threads[i], NULL, config_thread,
					 &seeds[i]));
	}
	while (raw_now_ns() < end) {
		submit(512);
		table_write(&seed);
		raw_write32(raw_doorbell(0, false), raw_random(&seed) % 64);
		raw_pause();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);

	/* Put back, and reset as sysfs does it, with all of it */
	sleep_ms(100);
	for (i = 0; i < 256; i += 4)
		if (i != CFG_COMMAND)
			config_write(i, 4, *(u32 *)(saved + i) &
				     (i == find_cap(0x10) + 8 ? 0x7fff : ~0U));
	config_write(CFG_COMMAND, 2, *(u16 *)(saved + CFG_COMMAND));
	raw_need(raw_flr());
	start();
	works();
	raw_need(line_falls());
	for (i = 0; i < 256; i++)
		if (config_read(i, 1) != saved[i])
			raw_die("configuration byte %#x is %#x, was %#x", i,
				config_read(i, 1), saved[i]);
	puts("configuration writes from all sides: ok");
}

int main(int argc, char **argv)
{
	struct raw_options options = { .mem_bytes = 2 * RAW_HUGE };
	glob_t found;

	raw_open(&options);
	buf = raw_alloc(2 * RAW_PAGE);
	raw_need(!glob("/sys/bus/pci/devices/1fffe:*/config", 0, NULL, &found));
	config = open(found.gl_pathv[0], O_RDWR);
	raw_need(config >= 0);
	raw_need(pread(config, saved, 256, 0) == 256);

	start();
	out_of_reach("memory space off", memory_space, true);
	out_of_reach("asleep in D3hot", sleep_d3, false);
	out_of_reach("BAR moved", move_bar, true);
	no_master();
	pending_without_master();
	flr_in_flight();
	config_from_all_sides(strtoull(argc > 1 ? argv[1] : "1", NULL, 0));
	raw_close();
	return 0;
}
