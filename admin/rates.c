#include "admin/rates.h"

void rates_add(struct rates *rates, const struct rates_sample *sample)
{
	rates->samples[rates->next] = *sample;
	rates->next = (rates->next + 1) % RATES_SAMPLES;
	if (rates->count < RATES_SAMPLES)
		rates->count++;
}

struct rates_report rates_report(const struct rates *rates, const struct rates_sample *now)
{
	const struct rates_sample *oldest;
	struct rates_report report = {0};

	if (rates->count == 0)
		return report;
	oldest = &rates->samples[rates->count < RATES_SAMPLES ? 0 : rates->next];
	report.window_seconds = (double)(now->mono_ms - oldest->mono_ms) / 1000;
	if (report.window_seconds <= 0)
		return report;
	report.received_per_second =
		(double)(now->received - oldest->received) / report.window_seconds;
	report.delivered_per_second =
		(double)(now->delivered - oldest->delivered) / report.window_seconds;
	return report;
}
