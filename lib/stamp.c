/* Times as text: always UTC, always 24 bytes, so that one can be written over another. */
#include "stamp.h"

#define DAY_MS INT64_C(86400000)
#define LATEST INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* Writes n with leading zeros into width bytes. */
static void figures(char *buf, int width, int64_t n)
{
	while (width-- > 0) {
		buf[width] = (char)('0' + n % 10);
		n /= 10;
	}
}

static bool unfigures(const char *s, int width, int64_t *n)
{
	for (*n = 0; width > 0; width--, s++) {
		if (*s < '0' || *s > '9')
			return false;
		*n = *n * 10 + (*s - '0');
	}
	return true;
}

/* Days since 1970-01-01; years begin in March here, so the leap day comes last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = yoe + era * 400 + (*month <= 2);
}

void stamp_print(char *buf, int64_t ms)
{
	int64_t year, month, day, rest;

	ms = ms < 0 ? 0 : ms > LATEST ? LATEST : ms;
	rest = ms % DAY_MS;
	date_of(ms / DAY_MS, &year, &month, &day);
	figures(buf, 4, year);
	buf[4] = '-';
	figures(buf + 5, 2, month);
	buf[7] = '-';
	figures(buf + 8, 2, day);
	buf[10] = 'T';
	figures(buf + 11, 2, rest / 3600000);
	buf[13] = ':';
	figures(buf + 14, 2, rest / 60000 % 60);
	buf[16] = ':';
	figures(buf + 17, 2, rest / 1000 % 60);
	buf[19] = '.';
	figures(buf + 20, 3, rest % 1000);
	buf[23] = 'Z';
}

bool stamp_parse(const char *s, int64_t *ms)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";
	char again[STAMP_LENGTH];
	int64_t year, month, day, hour, minute, second, milli, all;

	for (int i = 0; i < STAMP_LENGTH; i++)
		if (shape[i] != '0' && s[i] != shape[i])
			return false;
	if (!unfigures(s, 4, &year) || !unfigures(s + 5, 2, &month) || !unfigures(s + 8, 2, &day) ||
	    !unfigures(s + 11, 2, &hour) || !unfigures(s + 14, 2, &minute) ||
	    !unfigures(s + 17, 2, &second) || !unfigures(s + 20, 3, &milli) || month < 1 ||
	    month > 12)
		return false;
	all = days_of(year, month, day) * DAY_MS + hour * 3600000 + minute * 60000 + second * 1000 +
	      milli;
	/* A date that does not exist comes out as another one. */
	stamp_print(again, all);
	for (int i = 0; i < STAMP_LENGTH; i++)
		if (again[i] != s[i])
			return false;
	*ms = all;
	return true;
}
