// SPDX-License-Identifier: GPL-2.0
/*
 * Device Self-test (NVMe 1.4, 5.8 and 8.11). Memory has nothing that could be
 * tested meanwhile: a test takes its time and passes, and no I/O command notices.
 *
 * Runs in the controller thread.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "nvmev_admin.h"

/* How long they take: within two minutes, and within EDSTT of Identify */
#define NVMEV_SELF_TEST_SHORT_NS	(2 * NSEC_PER_SEC)
#define NVMEV_SELF_TEST_EXTENDED_NS	(20 * NSEC_PER_SEC)

static u64 nvmev_self_test_ns(const struct nvmev_self_test *test)
{
	return test->code == NVME_SELF_TEST_SHORT ?
		       NVMEV_SELF_TEST_SHORT_NS : NVMEV_SELF_TEST_EXTENDED_NS;
}

static void nvmev_self_test_end(struct nvmev_dev *dev, u8 status)
{
	struct nvmev_self_test *test = &dev->admin.self_test;
	struct nvme_self_test_result *result = &test->results[0];

	memmove(result + 1, result,
		(NVME_SELF_TEST_RESULTS - 1) * sizeof(*result));
	memset(result, 0, sizeof(*result));
	result->status = test->code << 4 | status;
	result->power_on_hours = cpu_to_le64(nvmev_power_on_hours(dev));
	test->nr_results = min(test->nr_results + 1, NVME_SELF_TEST_RESULTS + 0U);
	test->code = NVME_SELF_TEST_NONE;
}

/**
 * nvmev_self_test_abort() - end a test early, if there is one
 * @dev: the device
 * @status: why, NVME_SELF_TEST_BY_*
 *
 * A reset ends a short test alone; an extended one goes on through it.
 *
 * Context: the controller thread.
 */
void nvmev_self_test_abort(struct nvmev_dev *dev, u8 status)
{
	u8 code = dev->admin.self_test.code;

	if (code == NVME_SELF_TEST_NONE ||
	    (code == NVME_SELF_TEST_EXTENDED &&
	     status == NVME_SELF_TEST_BY_RESET))
		return;
	nvmev_self_test_end(dev, status);
}

/**
 * nvmev_self_test_abort_ns() - end a test of a namespace that goes or changes
 * @dev: the device
 * @nsid: the namespace
 * @status: why, NVME_SELF_TEST_BY_*
 *
 * Context: the controller thread.
 */
void nvmev_self_test_abort_ns(struct nvmev_dev *dev, u32 nsid, u8 status)
{
	u32 tested = dev->admin.self_test.nsid;

	if (tested == nsid || tested == NVME_NSID_ALL)
		nvmev_self_test_abort(dev, status);
}

/**
 * nvmev_self_test_poll() - end a test whose time is over
 * @dev: the device
 *
 * Context: the controller thread.
 */
void nvmev_self_test_poll(struct nvmev_dev *dev)
{
	struct nvmev_self_test *test = &dev->admin.self_test;

	if (likely(test->code == NVME_SELF_TEST_NONE))
		return;
	if (nvmev_clock_ns() - test->start_ns >= nvmev_self_test_ns(test))
		nvmev_self_test_end(dev, NVME_SELF_TEST_PASSED);
}

/**
 * nvmev_admin_self_test() - execute Device Self-test
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_self_test(struct nvmev_dev *dev, const struct nvme_command *cmd,
			  struct nvmev_admin_result *result)
{
	struct nvmev_self_test *test = &dev->admin.self_test;
	u8 code = FIELD_GET(NVME_SELF_TEST_CODE, nvmev_cdw(cmd, 10));
	u32 nsid = le32_to_cpu(cmd->nsid);

	if (nsid && nsid != NVME_NSID_ALL && !nvmev_ns_find(dev, nsid))
		return nvmev_ns_missing(nsid);
	nvmev_self_test_poll(dev);
	switch (code) {
	case NVME_SELF_TEST_SHORT:
	case NVME_SELF_TEST_EXTENDED:
		if (test->code != NVME_SELF_TEST_NONE)
			return NVME_SC_SELF_TEST_IN_PROGRESS;
		if (dev->admin.job.running)
			return NVME_SC_FORMAT_IN_PROGRESS;
		test->code = code;
		test->nsid = nsid;
		test->start_ns = nvmev_clock_ns();
		return NVME_SC_SUCCESS;
	case NVME_SELF_TEST_ABORT:
		nvmev_self_test_abort(dev, NVME_SELF_TEST_BY_COMMAND);
		return NVME_SC_SUCCESS;
	default:
		return nvmev_blame(result, NVMEV_AT(cdw10),
				   NVME_SC_INVALID_FIELD);
	}
}

/**
 * nvmev_log_self_test() - the Device Self-test log, 5.14.1.6
 * @dev: the device
 * @log: where to put it, zeroed
 *
 * Context: the controller thread.
 */
void nvmev_log_self_test(struct nvmev_dev *dev, struct nvme_self_test_log *log)
{
	const struct nvmev_self_test *test = &dev->admin.self_test;
	unsigned int i;

	/* It may be over since it was last looked at */
	nvmev_self_test_poll(dev);
	log->current_op = test->code;
	if (test->code != NVME_SELF_TEST_NONE)
		log->completion = div64_u64((nvmev_clock_ns() - test->start_ns) *
					    100, nvmev_self_test_ns(test));
	for (i = 0; i < NVME_SELF_TEST_RESULTS; i++) {
		if (i < test->nr_results)
			log->results[i] = test->results[i];
		else
			log->results[i].status = NVME_SELF_TEST_UNUSED;
	}
}
