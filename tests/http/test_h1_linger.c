/* test_h1_linger.c - what becomes of a connection whose request was not read to its end (rulings 11, threats 13, 20, 27a). */
int main(void) { return 0; }
