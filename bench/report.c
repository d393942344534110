/* SPDX-License-Identifier: MIT */
/*
 * report.c - results, as a text table, CSV and Markdown
 *
 * Rules    [REPORT1] the ratio is dure's median divided by the goal, so that up to 1.00 is met
 *                    where less is better, and from 1.00 on where more is
 */
#include "report.h"

#include <string.h>

static const struct bench_result *result_of(const struct bench_outcome *o, const char *who)
{
	for (unsigned i = 0; i < BENCH_CONTENDERS_MAX && o->results[i].who; i++)
		if (strcmp(o->results[i].who, who) == 0 && !o->results[i].is_missing)
			return &o->results[i];
	return NULL;
}

/* False: one whom the goal names is missing here. */
static bool goal_value(const struct bench_outcome *o, const struct bench_goal *goal, double *ret)
{
	double sum = goal->fixed;

	for (unsigned i = 0; i < 2 && goal->of[i].who; i++) {
		const struct bench_result *result = result_of(o, goal->of[i].who);
		if (!result)
			return false;
		sum += result->median * goal->of[i].factor;
	}
	*ret = sum;
	return true;
}

void bench_outcome_judge(struct bench_outcome *o)
{
	bool more = o->row->flags & BENCH_MORE_IS_BETTER;
	double value = 0;

	o->goal = 0;
	o->goal_text = "";
	for (unsigned i = 0; i < BENCH_GOALS_MAX && o->row->goals[i].text; i++) {
		if (!goal_value(o, &o->row->goals[i], &value))
			continue;
		if (o->goal > 0 && (more ? value <= o->goal : value >= o->goal))
			continue;
		o->goal = value;
		o->goal_text = o->row->goals[i].text;
	}
}

bool bench_outcome_is_met(const struct bench_outcome *o)
{
	const struct bench_result *us = result_of(o, "dure");

	if (o->goal == 0 || !us)
		return false;
	return o->row->flags & BENCH_MORE_IS_BETTER ? us->median >= o->goal
						    : us->median <= o->goal;
}

/* Three digits that mean something. */
static const char *figure(char *text, size_t room, double value)
{
	int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;

	snprintf(text, room, "%.*f", decimals, value);
	return text;
}

static void goal_words(const struct bench_outcome *o, char *text, size_t room)
{
	char value[32];
	const char *sign = o->row->flags & BENCH_MORE_IS_BETTER ? ">=" : "<=";

	if (o->goal == 0)
		snprintf(text, room, "-");
	else if (o->goal_text[0])
		snprintf(text, room, "%s %s (%s)", sign, figure(value, sizeof value, o->goal),
			 o->goal_text);
	else
		snprintf(text, room, "%s %s", sign, figure(value, sizeof value, o->goal));
}

static void peers_words(const struct bench_outcome *o, char *text, size_t room)
{
	size_t used = 0;
	char value[32];

	text[0] = '\0';
	for (unsigned i = 0; i < BENCH_CONTENDERS_MAX && o->results[i].who; i++) {
		const struct bench_result *result = &o->results[i];
		if (strcmp(result->who, "dure") == 0)
			continue;
		int n = snprintf(text + used, room - used, "%s%s %s", used ? ", " : "", result->who,
				 result->is_missing ? "(not here)"
						    : figure(value, sizeof value, result->median));
		used += n > 0 ? (size_t)n : 0;
		if (used >= room)
			break;
	}
}

void bench_print_head(FILE *to, enum bench_form form)
{
	if (form == BENCH_MARKDOWN)
		fputs("| row | unit | dure | goal | dure / goal | met | others | line bounce, ns |\n"
		      "|---|---|---:|---|---:|---|---|---:|\n", to);
	else
		fprintf(to, "%-20s %-7s %8s  %-32s %6s %-4s %s\n", "ROW", "UNIT", "DURE", "GOAL",
			"RATIO", "MET", "OTHERS");
}

void bench_print_row(FILE *to, enum bench_form form, const struct bench_outcome *o)
{
	const struct bench_result *us = result_of(o, "dure");
	char goal[96], peers[512], value[32] = "-", ratio[32] = "-", probe[64] = "";
	const char *met = o->goal == 0 ? "-" : bench_outcome_is_met(o) ? "yes" : "NO";

	goal_words(o, goal, sizeof goal);
	peers_words(o, peers, sizeof peers);
	if (us)
		figure(value, sizeof value, us->median);
	if (us && o->goal > 0)
		snprintf(ratio, sizeof ratio, "%.2f", us->median / o->goal);
	snprintf(probe, sizeof probe, "%.0f (%.0f-%.0f)", o->probe_median, o->probe_low,
		 o->probe_high);
	if (form == BENCH_MARKDOWN)
		fprintf(to, "| %s | %s | %s | %s | %s | %s | %s | %s%s |\n", o->row->what,
			o->row->unit, value, goal, ratio, met, peers, probe,
			o->far_rounds ? ", far" : "");
	else
		fprintf(to, "%-20s %-7s %8s  %-32s %6s %-4s %s\n%-20s %s; line bounce %s ns%s\n",
			o->row->name, o->row->unit, value, goal, ratio, met, peers, "",
			o->row->what, probe, o->far_rounds ? ", FAR: not comparable" : "");
	fflush(to);
}

void bench_print_csv_head(FILE *to)
{
	fputs("row,who,unit,median,low,high,runs,goal\n", to);
}

void bench_print_csv(FILE *to, const struct bench_outcome *o)
{
	for (unsigned i = 0; i < BENCH_CONTENDERS_MAX && o->results[i].who; i++) {
		const struct bench_result *result = &o->results[i];
		if (result->is_missing)
			continue;
		fprintf(to, "%s,\"%s\",%s,%.4g,%.4g,%.4g,%u,", o->row->name, result->who,
			o->row->unit, result->median, result->low, result->high, result->runs);
		if (strcmp(result->who, "dure") == 0 && o->goal > 0)
			fprintf(to, "%.4g", o->goal);
		fputc('\n', to);
	}
	fprintf(to, "%s,\"line bounce\",ns,%.4g,%.4g,%.4g,%u,\n", o->row->name, o->probe_median,
		o->probe_low, o->probe_high, o->results[0].runs);
	fflush(to);
}
