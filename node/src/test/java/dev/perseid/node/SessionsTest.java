package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SessionsTest {
  private final Address pool = Key.generate().address();
  private final Key key = Key.generate();
  private final Sessions sessions = new Sessions(pool, Set.of());

  private Sessions.Login login(long nowMs) {
    Hash nonce = sessions.challenge(key.address(), nowMs).orElseThrow();
    return login(nonce, nowMs);
  }

  private Sessions.Login login(Hash nonce, long nowMs) {
    String signature = key.sign(Digests.login(pool, key.address(), "consumer", nonce));
    return sessions.login(key.address(), nonce, "consumer", signature, nowMs);
  }

  private static String token(Sessions.Login login) {
    return ((Sessions.Login.In) login).token();
  }

  @Test
  void AChallengeEndsAfterAMinute() {
    Hash late = sessions.challenge(key.address(), 0).orElseThrow();
    assertThat(login(late, PoolLimits.CHALLENGE_MS)).isInstanceOf(Sessions.Login.Out.class);
    Hash inTime = sessions.challenge(key.address(), 0).orElseThrow();
    assertThat(login(inTime, PoolLimits.CHALLENGE_MS - 1)).isInstanceOf(Sessions.Login.In.class);
  }

  @Test
  void ASessionEndsAfterItsLastUse() {
    String token = token(login(0));
    assertThat(sessions.use(token, PoolLimits.SESSION_MS)).isInstanceOf(Sessions.Found.Good.class);
    assertThat(sessions.use(token, 2 * PoolLimits.SESSION_MS))
        .as("each use prolongs it")
        .isInstanceOf(Sessions.Found.Good.class);
    assertThat(sessions.use(token, 3 * PoolLimits.SESSION_MS + 1))
        .isInstanceOf(Sessions.Found.Unknown.class);
    assertThat(sessions.use(token, 0))
        .as("and stays ended")
        .isInstanceOf(Sessions.Found.Unknown.class);
    assertThat(sessions.use("", 0)).isInstanceOf(Sessions.Found.Unknown.class);
  }

  @Test
  void OneAddressHasFewSessions() {
    List<String> tokens = new ArrayList<>();
    for (int i = 0; i < PoolLimits.SESSIONS_OF_ONE + 1; i++) {
      tokens.add(token(login(i)));
    }
    assertThat(sessions.use(tokens.getFirst(), 100)).isInstanceOf(Sessions.Found.Unknown.class);
    assertThat(sessions.use(tokens.get(1), 100)).isInstanceOf(Sessions.Found.Good.class);
    assertThat(sessions.use(tokens.getLast(), 100)).isInstanceOf(Sessions.Found.Good.class);
  }

  @Test
  void WhoCallsTooOftenWaits() {
    String token = token(login(0));
    for (int i = 0; i < PoolLimits.CALLS_BURST; i++) {
      assertThat(sessions.use(token, 0)).isInstanceOf(Sessions.Found.Good.class);
    }
    assertThat(sessions.use(token, 0)).isInstanceOf(Sessions.Found.TooOften.class);
    assertThat(sessions.use(token, 1_000)).isInstanceOf(Sessions.Found.Good.class);
  }

  @Test
  void ChallengesAreBounded() {
    Optional<Hash> last = Optional.of(Hash.ZERO);
    int given = 0;
    while (last.isPresent()) {
      last = sessions.challenge(key.address(), 0);
      given += last.isPresent() ? 1 : 0;
    }
    assertThat(given).isEqualTo(4 * PoolLimits.LOGINS_PER_S);
    assertThat(sessions.challenge(key.address(), 1_000)).isPresent();
  }
}
