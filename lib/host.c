/* What a heartbeat says of the host and of the process that it is about. */
#include "host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "text.h"

#define INTERFACES 64

int host_name(char *buf)
{
	struct utsname uts;
	size_t len;

	if (uname(&uts) != 0)
		return -1;
	len = strlen(uts.nodename);
	if (len == 0 || len >= HOST_NAME || !text_clean(uts.nodename, len))
		return -1;
	memcpy(buf, uts.nodename, len + 1);
	return 0;
}

/* Reads a small file of the kernel's in one go. */
static int slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	return 0;
}

/* Without inet_ntop, which is by printf. */
static void print4(char *buf, struct in_addr address)
{
	struct text text = {.s = buf, .size = HOST_IP};

	for (int shift = 24; shift >= 0; shift -= 8) {
		text_number(&text, ntohl(address.s_addr) >> shift & 0xff);
		text_char(&text, shift > 0 ? '.' : '\0');
	}
}

/* SIOCGIFCONF names the interfaces that have an IPv4 address, up or not. */
static int ip4(int fd, char *buf)
{
	struct ifreq requests[INTERFACES] = {0}, flags;
	struct ifconf conf = {.ifc_len = sizeof(requests), .ifc_req = requests};
	struct sockaddr_in sin;

	if (ioctl(fd, SIOCGIFCONF, &conf) != 0)
		return -1;
	for (int i = 0; i < conf.ifc_len / (int)sizeof(requests[0]); i++) {
		memcpy(&sin, &requests[i].ifr_addr, sizeof(sin));
		if (sin.sin_family != AF_INET || ntohl(sin.sin_addr.s_addr) >> 24 == 127)
			continue;
		flags = requests[i];
		if (ioctl(fd, SIOCGIFFLAGS, &flags) != 0 || !(flags.ifr_flags & IFF_UP) ||
		    (flags.ifr_flags & IFF_LOOPBACK))
			continue;
		print4(buf, sin.sin_addr);
		return 0;
	}
	return -1;
}

static bool unhex(const char *s, unsigned char *address)
{
	for (int i = 0; i < 16; i++) {
		unsigned byte;

		if (sscanf(s + 2 * i, "%2x", &byte) != 1)
			return false;
		address[i] = (unsigned char)byte;
	}
	return true;
}

/*
 * A line is address, index, prefix, scope, flags, name, in hexadecimal.  Asked
 * here and not of getifaddrs(3), which takes ten system calls.
 */
static int ip6(char *buf)
{
	char list[8192], hex[33];
	unsigned char address[16];
	unsigned scope, flags;

	if (slurp("/proc/net/if_inet6", list, sizeof(list)) != 0)
		return -1;
	for (char *line = list, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (sscanf(line, "%32s %*x %*x %x %x", hex, &scope, &flags) != 3)
			continue;
		/* Global (0), and neither deprecated (20), duplicate (08), tentative (40) nor
		 * temporary (01). */
		if (scope != 0 || (flags & 0x69) != 0 || strlen(hex) != 32 || !unhex(hex, address))
			continue;
		return inet_ntop(AF_INET6, address, buf, HOST_IP) != NULL ? 0 : -1;
	}
	return -1;
}

int host_ip(char *buf)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), found = -1;

	if (fd != -1) {
		found = ip4(fd, buf);
		close(fd);
	}
	return found == 0 ? 0 : ip6(buf);
}

int host_boot_id(char *buf)
{
	if (slurp("/proc/sys/kernel/random/boot_id", buf, HOST_BOOT_ID) != 0)
		return -1;
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

/* Field 22.  The command's name, in brackets, may hold anything, brackets too: count from the last
 * one. */
int host_start_time(pid_t pid, char *buf)
{
	char path[64], stat[1024], *s;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if (slurp(path, stat, sizeof(stat)) != 0)
		return -1;
	s = strrchr(stat, ')');
	for (int field = 2; s != NULL && field < 22; field++) {
		s = strchr(s, ' ');
		if (s != NULL)
			s++;
	}
	if (s == NULL)
		return -1;
	len = strspn(s, "0123456789");
	if (len == 0 || len >= HOST_START_TIME)
		return -1;
	memcpy(buf, s, len);
	buf[len] = '\0';
	return 0;
}
