// SPDX-License-Identifier: GPL-2.0
/*
 * Features (NVMe 1.4, 5.9 and 5.21): what the host can set.
 *
 * Runs in the controller thread; workers read some settings, see
 * struct nvmev_features.
 */
#include <linux/bitfield.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>

#include "nvmev_admin.h"
#include "nvmev_compat.h"

static u64 nvmev_timestamp_ms(struct nvmev_dev *dev)
{
	const struct nvmev_features *features = &dev->admin.features;

	return features->timestamp_ms +
	       div_u64(nvmev_clock_ns() - features->timestamp_set_ns,
		       NSEC_PER_MSEC);
}

/**
 * nvmev_features_init() - features as they are after a reset
 * @dev: the device
 */
void nvmev_features_init(struct nvmev_dev *dev)
{
	struct nvmev_features *features = &dev->admin.features;

	memset(features, 0, sizeof(*features));
	features->arbitration = NVMEV_DEFAULT_BURST;
	features->temp_over = NVMEV_TEMP_WARNING;
	features->volatile_wc = 1;
	features->timestamp_set_ns = nvmev_clock_ns();
}

static u32 *nvmev_temp_threshold(struct nvmev_features *features, u32 cdw11)
{
	/* TMPSEL: the composite temperature, 0, or all sensors, 15 */
	u32 sensor = cdw11 >> 16 & 0xf;

	if (sensor && sensor != 0xf)
		return NULL;
	switch (cdw11 >> 20 & 3) {
	case 0:
		return &features->temp_over;
	case 1:
		return &features->temp_under;
	default:
		return NULL;
	}
}

/* The value of a feature in DW0, from @features */
static u16 nvmev_feature_value(struct nvmev_dev *dev,
			       struct nvmev_features *features,
			       const struct nvme_command *cmd, u32 *result)
{
	u32 cdw11 = nvmev_cdw(cmd, 11);
	u32 *threshold;
	u16 vector;

	switch (nvmev_cdw(cmd, 10) & 0xff) {
	case NVME_FEAT_ARBITRATION:
		*result = features->arbitration;
		break;
	case NVME_FEAT_POWER_MGMT:
		*result = features->power_state;
		break;
	case NVME_FEAT_TEMP_THRESH:
		threshold = nvmev_temp_threshold(features, cdw11);
		if (!threshold)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		*result = *threshold;
		break;
	case NVME_FEAT_ERR_RECOVERY:
		*result = features->error_recovery;
		break;
	case NVME_FEAT_VOLATILE_WC:
		*result = features->volatile_wc;
		break;
	case NVME_FEAT_NUM_QUEUES:
		*result = (dev->config.queues - 1) << 16 |
			  (dev->config.queues - 1);
		break;
	case NVME_FEAT_IRQ_COALESCE:
		*result = features->irq_coalesce;
		break;
	case NVME_FEAT_IRQ_CONFIG:
		vector = cdw11;
		if (vector > dev->config.queues)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		*result = vector |
			  (u32)features->irq_no_coalesce[vector] << 16;
		break;
	case NVME_FEAT_WRITE_ATOMIC:
		*result = features->write_atomicity;
		break;
	case NVME_FEAT_ASYNC_EVENT:
		*result = features->async_event;
		break;
	case NVME_FEAT_TIMESTAMP:
	case NVME_FEAT_HOST_ID:
		break;
	default:
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
	return NVME_SC_SUCCESS;
}

/* EXHID, CDW11 bit 0: 16 bytes instead of 8 */
static u32 nvmev_host_id_bytes(const struct nvme_command *cmd)
{
	return nvmev_cdw(cmd, 11) & 1 ? 16 : 8;
}

static u16 nvmev_get_host_id(struct nvmev_dev *dev,
			     const struct nvme_command *cmd)
{
	memcpy(nvmev_admin_buf(dev), dev->admin.features.host_id,
	       sizeof(dev->admin.features.host_id));
	return nvmev_admin_data(dev, cmd, nvmev_host_id_bytes(cmd));
}

static u16 nvmev_set_host_id(struct nvmev_dev *dev,
			     const struct nvme_command *cmd)
{
	struct nvmev_features *features = &dev->admin.features;
	u8 host_id[16] = { };
	u16 status;

	status = nvmev_prp_read(dev, cmd, 0, host_id,
				nvmev_host_id_bytes(cmd));
	if (!status)
		memcpy(features->host_id, host_id, sizeof(host_id));
	return status;
}

static u16 nvmev_get_timestamp(struct nvmev_dev *dev,
			       const struct nvme_command *cmd)
{
	struct nvme_timestamp *timestamp = nvmev_admin_buf(dev);

	put_unaligned_le32(nvmev_timestamp_ms(dev), timestamp->ms);
	put_unaligned_le16(nvmev_timestamp_ms(dev) >> 32, timestamp->ms + 4);
	if (dev->admin.features.timestamp_by_host)
		timestamp->attr = NVME_TIMESTAMP_ORIGIN_SET;
	return nvmev_admin_data(dev, cmd, sizeof(*timestamp));
}

/**
 * nvmev_admin_get_features() - execute Get Features
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_get_features(struct nvmev_dev *dev,
			     const struct nvme_command *cmd,
			     struct nvmev_admin_result *result)
{
	u32 cdw10 = nvmev_cdw(cmd, 10);
	u8 fid = cdw10;
	struct nvmev_features defaults = {
		.arbitration = NVMEV_DEFAULT_BURST,
		.temp_over = NVMEV_TEMP_WARNING,
		.volatile_wc = 1,
	};
	u16 status;

	switch (FIELD_GET(NVME_FEAT_SEL, cdw10)) {
	case NVME_FEAT_SEL_CURRENT:
		status = nvmev_feature_value(dev, &dev->admin.features, cmd,
					     &result->dw0);
		if (!status && fid == NVME_FEAT_TIMESTAMP)
			return nvmev_get_timestamp(dev, cmd);
		if (!status && fid == NVME_FEAT_HOST_ID)
			return nvmev_get_host_id(dev, cmd);
		return status;
	case NVME_FEAT_SEL_DEFAULT:
	case NVME_FEAT_SEL_SAVED:
		/* Nothing can be saved, so what is saved is the default */
		return nvmev_feature_value(dev, &defaults, cmd, &result->dw0);
	case NVME_FEAT_SEL_SUPPORTED:
		status = nvmev_feature_value(dev, &defaults, cmd, &result->dw0);
		result->dw0 = status ? 0 : NVME_FEAT_CAP_CHANGEABLE;
		return status;
	default:
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
}

static u16 nvmev_set_num_queues(struct nvmev_dev *dev, u32 cdw11, u32 *result)
{
	unsigned int qid;

	if ((cdw11 & 0xffff) == 0xffff || cdw11 >> 16 == 0xffff)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	/* Only before there are I/O queues, 5.21.1.7 */
	for (qid = 1; qid <= dev->config.queues; qid++)
		if (dev->cqs[qid])
			return NVME_SC_CMD_SEQ_ERROR | NVME_SC_DNR;
	*result = (dev->config.queues - 1) << 16 | (dev->config.queues - 1);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_set_timestamp(struct nvmev_dev *dev,
			       const struct nvme_command *cmd)
{
	struct nvmev_features *features = &dev->admin.features;
	struct nvme_timestamp timestamp;
	u16 status;

	status = nvmev_prp_read(dev, cmd, 0, &timestamp, sizeof(timestamp));
	if (status)
		return status;
	features->timestamp_ms = get_unaligned_le32(timestamp.ms) |
		(u64)get_unaligned_le16(timestamp.ms + 4) << 32;
	features->timestamp_set_ns = nvmev_clock_ns();
	features->timestamp_by_host = true;
	return NVME_SC_SUCCESS;
}

/**
 * nvmev_critical_warning() - what SMART warns of at present, 5.14.1.2
 * @dev: the device
 */
u8 nvmev_critical_warning(struct nvmev_dev *dev)
{
	const struct nvmev_features *features = &dev->admin.features;

	if (features->temp_over <= NVMEV_TEMPERATURE ||
	    features->temp_under >= NVMEV_TEMPERATURE)
		return NVME_SMART_CRIT_TEMPERATURE;
	return 0;
}

static void nvmev_check_temperature(struct nvmev_dev *dev)
{
	if (nvmev_critical_warning(dev) &
	    FIELD_GET(NVME_AEC_SMART, dev->admin.features.async_event))
		nvmev_admin_event(dev, NVME_AER_TYPE_SMART,
				  NVME_AER_SMART_TEMPERATURE, NVME_LOG_SMART);
}

/**
 * nvmev_admin_set_features() - execute Set Features
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_set_features(struct nvmev_dev *dev,
			     const struct nvme_command *cmd,
			     struct nvmev_admin_result *result)
{
	struct nvmev_features *features = &dev->admin.features;
	u32 cdw10 = nvmev_cdw(cmd, 10), cdw11 = nvmev_cdw(cmd, 11);
	u8 fid = cdw10;
	u32 *threshold;
	u16 status, vector;

	/* A feature that exists; its reading has no side effect */
	status = nvmev_feature_value(dev, features, cmd, &result->dw0);
	result->dw0 = 0;
	if (status)
		return status;
	if (cdw10 & NVME_FEAT_SV)
		return NVME_SC_FEATURE_NOT_SAVEABLE | NVME_SC_DNR;
	if (nvmev_ns_find(dev, le32_to_cpu(cmd->nsid)))
		return NVME_SC_FEATURE_NOT_PER_NS | NVME_SC_DNR;

	switch (fid) {
	case NVME_FEAT_ARBITRATION:
		WRITE_ONCE(features->arbitration, cdw11);
		break;
	case NVME_FEAT_POWER_MGMT:
		/* Power state 0 is the only one; the workload is a hint */
		if (cdw11 & 0x1f)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		features->power_state = cdw11 & 0xff;
		break;
	case NVME_FEAT_TEMP_THRESH:
		threshold = nvmev_temp_threshold(features, cdw11);
		*threshold = cdw11 & 0xffff;
		nvmev_check_temperature(dev);
		break;
	case NVME_FEAT_ERR_RECOVERY:
		/* DULBE needs a namespace that supports it */
		if (cdw11 & BIT(16))
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		features->error_recovery = cdw11 & 0xffff;
		break;
	case NVME_FEAT_VOLATILE_WC:
		features->volatile_wc = cdw11 & 1;
		break;
	case NVME_FEAT_NUM_QUEUES:
		return nvmev_set_num_queues(dev, cdw11, &result->dw0);
	case NVME_FEAT_IRQ_COALESCE:
		WRITE_ONCE(features->irq_coalesce, cdw11 & 0xffff);
		break;
	case NVME_FEAT_IRQ_CONFIG:
		vector = cdw11;
		/* The admin queue's vector is never coalesced, 5.21.1.9 */
		if (!vector && !(cdw11 & BIT(16)))
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		WRITE_ONCE(features->irq_no_coalesce[vector],
			   cdw11 >> 16 & 1);
		break;
	case NVME_FEAT_WRITE_ATOMIC:
		features->write_atomicity = cdw11 & 1;
		break;
	case NVME_FEAT_ASYNC_EVENT:
		features->async_event = cdw11;
		nvmev_check_temperature(dev);
		break;
	case NVME_FEAT_TIMESTAMP:
		return nvmev_set_timestamp(dev, cmd);
	case NVME_FEAT_HOST_ID:
		return nvmev_set_host_id(dev, cmd);
	}
	return NVME_SC_SUCCESS;
}
