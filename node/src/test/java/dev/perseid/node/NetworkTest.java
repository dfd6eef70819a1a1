package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Whose network an address is of.
class NetworkTest {
  @ParameterizedTest
  @CsvSource({
    "192.0.2.7, c00002/24",
    "192.0.2.250, c00002/24",
    "192.0.3.7, c00003/24",
    "2001:db8:1:2::3, 20010db80001/48",
    "2001:db8:1:ffff::3, 20010db80001/48",
    "::ffff:192.0.2.9, c00002/24",
    "127.0.0.1, ''",
    "::1, ''",
    "a-host, ''",
    "'', ''"
  })
  void networkOf(String host, String network) {
    assertThat(Network.of(host)).isEqualTo(network);
  }
}
