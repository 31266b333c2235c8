/*
 * hex.h: what a hexadecimal digit stands for, without a locale.
 */
#ifndef SLUICE_CORE_HEX_H
#define SLUICE_CORE_HEX_H

/* 0 to 15, or -1. */
static inline int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

#endif
