/*
 * sluice.c: the command by which operators look into the relay and steer it; it talks to the admin socket.
 */
#include "admin/command.h"

int main(int argc, char **argv)
{
	return command_main(argc, argv);
}
