/* shows: ec_sockaddr_parse, ec_sockaddr_format, ec_sockaddr_format_ip, ec_sockaddr_port, ec_sockaddr_set
 * Addresses and their text. */
#include <errno.h>
#include <misc/ec_sockaddr.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int
main(void)
{
    char text[EC_SOCKADDR_TEXT_MAX];
    ec_sockaddr a;

    ec_sockaddr_parse(&a, "8080");
    ec_sockaddr_format(&a, text, sizeof text);
    printf("%s\n", text); //> 127.0.0.1:8080
    ec_sockaddr_parse(&a, "[::1]:443");
    ec_sockaddr_format_ip(&a, text, sizeof text);
    printf("%s at %d\n", text, ec_sockaddr_port(&a)); //> ::1 at 443
    printf("%d\n", ec_sockaddr_parse(&a, "example.org:80") == EINVAL); //> 1

    struct sockaddr_storage got; /* as accept(2) and getsockname(2) give it */
    socklen_t len = sizeof got;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (getsockname(fd, (struct sockaddr *)&got, &len) == 0 && ec_sockaddr_set(&a, (struct sockaddr *)&got, len) == 0) {
        ec_sockaddr_format(&a, text, sizeof text);
        printf("%s\n", text); //> 0.0.0.0:0
    }
    close(fd);
    return 0;
}
