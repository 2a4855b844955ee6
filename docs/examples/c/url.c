/* shows: ec_parse_url, ec_url_details_free
 * A URL in its parts. */
#include <misc/ec_url_parse.h>
#include <stdio.h>
#include <string.h>

int
main(void)
{
    const char *text = "http://ann@example.org:8080/a%20b?x=1&y=two#end", *y = NULL;
    ec_url_details *url = ec_parse_url(text, strlen(text));

    printf("%s %s %s %d\n", url->scheme, url->userinfo.user, url->host, url->port); //> http ann example.org 8080
    printf("%s, %s, %s\n", url->path, url->query, url->fragment); //> /a b, x=1&y=two, end
    dict_key_exists_and_fetch(url->attrs, "y", &y);
    printf("%s\n", y); //> two
    ec_url_details_free(url);
    printf("%d\n", ec_parse_url("http://a:b:c/", 13) == NULL); //> 1
    return 0;
}
