package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.chain.Anvil;
import dev.perseid.chain.LocalChain;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Smart accounts on a real local chain.
class ChainSignaturesTest {
  /// An account that says that it signed one digest, and reverts on all others: `if
  /// (calldata.digest == DIGEST) return 0x1626ba7e; revert()`. The digest stands after the first 4
  /// bytes of code.
  private static final String SAYS_YES_TO_ONE =
      "6004357f%s14602d5760006000fd5b631626ba7e60e01b60005260206000f3";

  /// Never ends.
  private static final String LOOPS = "5b600056";

  private static LocalChain chain;
  private final Key key = Key.generate();
  private final Hash digest = Hash.sha256(new byte[] {1});
  private final AtomicInteger asked = new AtomicInteger();
  private final Signatures signatures =
      new ChainSignatures(() -> {
        asked.incrementAndGet();
        return chain.chain();
      });

  @BeforeAll
  static void start() throws Exception {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    Anvil anvil =
        switch (Anvil.find(Anvil.cache(), path, note -> {})) {
          case Anvil.Found.Ready(Anvil found) -> found;
          case Anvil.Found.Missing(String why) -> throw new AssertionError(why);
        };
    chain = LocalChain.start(anvil, LocalChain.Options.INSTANT);
  }

  @AfterAll
  static void stop() {
    chain.close();
  }

  private static Address contract(String code) throws Exception {
    Address at = Key.generate().address();
    chain.code(at, HexFormat.of().parseHex(code));
    return at;
  }

  private static void isSigned(Signatures.Verdict verdict) {
    assertThat(verdict).isInstanceOf(Signatures.Verdict.Signed.class);
  }

  private static void isNotSigned(Signatures.Verdict verdict) {
    assertThat(verdict).isInstanceOf(Signatures.Verdict.NotSigned.class);
  }

  @Test
  void aContractSaysWhatItSigned() throws Exception {
    Address account = contract(SAYS_YES_TO_ONE.formatted(digest.hex()));
    isSigned(signatures.look(account, digest, "00".repeat(200)));
    isSigned(signatures.look(account, digest, Key.generate().sign(digest)));
    isNotSigned(signatures.look(account, Hash.sha256(new byte[] {2}), "00".repeat(200)));
    assertThat(asked.get()).isEqualTo(3);
  }

  @Test
  void aKeyIsNotAskedTwice() throws Exception {
    isSigned(signatures.look(key.address(), digest, key.sign(digest)));
    // EIP-7702: the account has code by delegation and still its key.
    Address delegate = contract(SAYS_YES_TO_ONE.formatted(digest.hex()));
    chain.code(key.address(), HexFormat.of().parseHex("ef0100" + delegate.toString().substring(2)));
    isSigned(signatures.look(key.address(), digest, key.sign(digest)));
    assertThat(asked.get()).isZero();
    // And by its code, where its key did not sign.
    isSigned(signatures.look(key.address(), digest, "00".repeat(65)));
    isNotSigned(signatures.look(key.address(), Hash.sha256(new byte[] {2}), "00".repeat(65)));
    assertThat(asked.get()).isEqualTo(2);
  }

  @Test
  void nobodyAndWhatNeverEndsSignedNothing() throws Exception {
    isNotSigned(signatures.look(key.address(), digest, Key.generate().sign(digest)));
    isNotSigned(signatures.look(contract(LOOPS), digest, "00".repeat(65)));
    isNotSigned(signatures.look(contract("00"), digest, "00".repeat(65)));
  }

  @Test
  void aChainThatDoesNotAnswerTellsNothing() {
    Signatures dead =
        new ChainSignatures(() -> {
          throw new Vault.Trouble("no chain");
        });
    isSigned(dead.look(key.address(), digest, key.sign(digest)));
    assertThat(dead.look(key.address(), digest, "00".repeat(65)))
        .isInstanceOf(Signatures.Verdict.Unknown.class);
  }

  @Test
  void aSmartAccountLogsIn() throws Exception {
    Address pool = Key.generate().address();
    Sessions sessions = new Sessions(pool, AccessTerms.NONE, signatures);
    Address account = Key.generate().address();
    Hash nonce = sessions.challenge(account, 0);
    Hash login = Digests.login(pool, account, "consumer", nonce);
    chain.code(account, HexFormat.of().parseHex(SAYS_YES_TO_ONE.formatted(login.hex())));
    assertThat(sessions.login(account, nonce, "provider", "00".repeat(70), "", 0))
        .isInstanceOf(Login.Out.class);
    assertThat(sessions.login(account, nonce, "consumer", "00".repeat(70), "", 0))
        .isInstanceOf(Login.In.class);
  }
}
