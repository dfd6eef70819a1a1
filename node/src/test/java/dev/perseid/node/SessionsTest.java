package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SessionsTest {
  private final Address pool = Key.generate().address();
  private final Key key = Key.generate();
  private final Sessions sessions = new Sessions(pool, AccessTerms.NONE, Signatures.KEYS);

  private Login login(long nowMs) {
    Hash nonce = sessions.challenge(key.address(), nowMs);
    return login(nonce, nowMs);
  }

  private Login login(Hash nonce, long nowMs) {
    String signature = key.sign(Digests.login(pool, key.address(), "consumer", nonce));
    return sessions.login(key.address(), nonce, "consumer", signature, "", nowMs);
  }

  private static String token(Login login) {
    return ((Login.In) login).token();
  }

  @Test
  void AChallengeEndsAfterAMinute() {
    Hash late = sessions.challenge(key.address(), 0);
    assertThat(login(late, PoolLimits.CHALLENGE_MS)).isInstanceOf(Login.Out.class);
    Hash inTime = sessions.challenge(key.address(), 0);
    assertThat(login(inTime, PoolLimits.CHALLENGE_MS - 1)).isInstanceOf(Login.In.class);
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

  /// Whoever asks for challenges all day takes nothing from others: giving one away keeps nothing.
  @Test
  void aFloodOfChallengesDelaysNobody() {
    Hash mine = sessions.challenge(key.address(), 0);
    for (int i = 0; i < 200_000; i++) {
      sessions.challenge(pool, 0);
    }
    assertThat(login(mine, 1)).isInstanceOf(Login.In.class);
  }

  @Test
  void aChallengeOpensOneSession() {
    Hash nonce = sessions.challenge(key.address(), 0);
    assertThat(login(nonce, 0)).isInstanceOf(Login.In.class);
    assertThat(login(nonce, 0)).isInstanceOf(Login.Out.class);
    assertThat(login(nonce, PoolLimits.CHALLENGE_MS - 1)).isInstanceOf(Login.Out.class);
  }

  @Test
  void aChallengeIsOfThisPoolAndThisCaller() {
    Hash others = sessions.challenge(pool, 0);
    assertThat(login(others, 0)).isInstanceOf(Login.Out.class);
    Hash ofAnother =
        new Sessions(pool, AccessTerms.NONE, Signatures.KEYS).challenge(key.address(), 0);
    assertThat(login(ofAnother, 0)).isInstanceOf(Login.Out.class);
    Hash mine = sessions.challenge(key.address(), 0);
    assertThat(login(new Hash(mine.a() + 1, mine.b(), mine.c(), mine.d()), 0))
        .as("a later time than it was made with")
        .isInstanceOf(Login.Out.class);
    assertThat(login(mine, -1)).as("from the future").isInstanceOf(Login.Out.class);
  }

  /// Signatures cost something to look at: one place that sends wrong ones makes itself wait.
  @Test
  void onePlaceThatGuessesMakesOnlyItselfWait() {
    Hash nonce = sessions.challenge(key.address(), 0);
    String wrong = Key.generate().sign(nonce);
    int looked = 0;
    while (sessions.login(key.address(), nonce, "consumer", wrong, "there", 0)
        instanceof Login.Out) {
      looked++;
    }
    assertThat(looked).isEqualTo(4 * PoolLimits.LOGINS_FROM_ONE_PER_S);
    String right = key.sign(Digests.login(pool, key.address(), "consumer", nonce));
    assertThat(sessions.login(key.address(), nonce, "consumer", right, "there", 0))
        .isInstanceOf(Login.Later.class);
    assertThat(sessions.login(key.address(), nonce, "consumer", right, "here", 0))
        .isInstanceOf(Login.In.class);
  }

  @Test
  void rolesAreForWhomTheConfigurationNames() {
    Key auditor = Key.generate();
    Key operator = Key.generate();
    Key owner = Key.generate();
    Sessions strict =
        new Sessions(
            owner.address(),
            new AccessTerms(Set.of(operator.address()), Set.of(auditor.address()), List.of()),
            Signatures.KEYS);
    assertThat(roles(strict, owner)).containsExactly("owner", "operator", "consumer", "provider");
    assertThat(roles(strict, operator)).containsExactly("operator", "consumer", "provider");
    assertThat(roles(strict, auditor)).containsExactly("consumer", "provider", "auditor");
    assertThat(roles(strict, key)).containsExactly("consumer", "provider");
  }

  private static List<String> roles(Sessions at, Key who) {
    Address pool = at.pool();
    List<String> may = new ArrayList<>();
    for (String role : List.of("owner", "operator", "consumer", "provider", "auditor", "king")) {
      Hash nonce = at.challenge(who.address(), 0);
      String signature = who.sign(Digests.login(pool, who.address(), role, nonce));
      if (at.login(who.address(), nonce, role, signature, "", 0) instanceof Login.In) {
        may.add(role);
      }
    }
    return may;
  }
}
