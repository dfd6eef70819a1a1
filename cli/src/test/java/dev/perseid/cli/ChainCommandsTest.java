package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.chain.Anvil;
import dev.perseid.chain.Due;
import dev.perseid.chain.LocalChain;
import dev.perseid.chain.Settlement;
import dev.perseid.chain.SignedVoucher;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `perseid chain` against a real node with the real contracts.
class ChainCommandsTest {
  @TempDir Path folder;

  private LocalChain local;

  @BeforeEach
  void start() throws Exception {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    local =
        switch (Anvil.find(Anvil.cache(), path, note -> {})) {
          case Anvil.Found.Ready(Anvil anvil) ->
              LocalChain.start(anvil, LocalChain.Options.INSTANT);
          case Anvil.Found.Missing(String why) -> throw new AssertionError(why);
        };
  }

  @AfterEach
  void stop() {
    local.close();
  }

  private Map<String, String> environment() {
    return Map.of(
        "PERSEID_HOME", folder.resolve("home").toString(), "PERSEID_RPC", local.rpc().toString());
  }

  private Ran run(String... arguments) {
    List<String> all = new ArrayList<>(List.of("chain"));
    all.addAll(List.of(arguments));
    return Ran.of(environment(), all.toArray(String[]::new));
  }

  private Ran done(String... arguments) {
    Ran ran = run(arguments);
    assertThat(ran.exit()).as("%s", ran).isZero();
    return ran;
  }

  private void refused(int exit, String said, String... arguments) {
    Ran ran = run(arguments);
    assertThat(ran.exit()).as("%s", ran).isEqualTo(exit);
    assertThat(ran.err()).contains(said);
  }

  @Test
  void moneyGoesAllTheWay() throws Exception {
    Home home = Home.of(environment());
    Key pool = home.key("pool");
    Key consumer = home.key("consumer");
    Key provider = home.key("provider");
    String identity = pool.address().toString();

    refused(Exit.USAGE, "cannot be read; 'perseid chain deploy' writes one", "status");
    refused(Exit.REFUSED, "for gas: send it some", "deploy", "--key", "pool");
    for (String key : List.of("pool", "consumer", "provider")) {
      assertThat(done("faucet", "0", "--key", key).out()).contains("for gas");
    }
    JsonNode deployed = done("deploy", "--key", "pool", "--json").json();
    assertThat(deployed.path("sent")).hasSize(5);
    refused(Exit.USAGE, "is there already", "deploy", "--key", "pool");
    assertThat(done("register", "--key", "pool", "--endpoint", "pool.example:9470").out())
        .contains("is registered as pool");
    done("faucet", "100", "--key", "consumer");

    assertThat(done("deposit", "60", "--pool", identity, "--dry-run").err()).contains("would send");
    assertThat(done("status", "--pool", identity, "--json").json().path("purse_funded").asLong())
        .isZero();
    Ran deposit = done("deposit", "60", "--pool", identity);
    assertThat(deposit.err()).contains("sending: deposit by signature").contains("done in block");
    done("deposit", "1.5", "--pool", identity, "--for", provider.address().toString());
    refused(Exit.REFUSED, "has 38.5", "deposit", "60", "--pool", identity);
    refused(
        Exit.REFUSED,
        "is not registered as a pool",
        "deposit",
        "1",
        "--pool",
        consumer.address().toString());
    refused(Exit.USAGE, "is not an address", "deposit", "1", "--pool", "0x12");

    Settlement settlement =
        settlement(pool, deployed, consumer, provider.address(), 20_000_000, 15_000_000);
    Path file = folder.resolve("settlement.json");
    Files.writeString(file, settlement.toJson());
    refused(
        Exit.REFUSED,
        "does not act for this pool",
        "settle",
        file.toString(),
        "--pool",
        identity,
        "--key",
        "consumer");
    JsonNode settled = done("settle", file.toString(), "--key", "pool", "--json").json();
    assertThat(settled.path("redeemed").asLong()).isEqualTo(20_000_000);
    refused(Exit.REFUSED, "the pool's next epoch is 2", "settle", file.toString(), "--key", "pool");

    assertThat(done("claim", file.toString(), "--pool", identity, "--key", "provider").out())
        .contains("15 were paid");
    refused(
        Exit.REFUSED,
        "nothing is due",
        "claim",
        file.toString(),
        "--pool",
        identity,
        "--key",
        "provider");
    refused(Exit.USAGE, "is not among those", "claim", file.toString(), "--pool", identity);

    Path vouchers = folder.resolve("vouchers.json");
    Files.writeString(
        vouchers, settlement(pool, deployed, consumer, provider.address(), 25_000_000, 0).toJson());
    assertThat(done("redeem", vouchers.toString(), "--pool", identity, "--key", "provider").out())
        .contains("5 redeemed");
    Files.writeString(vouchers, "{}");
    refused(Exit.USAGE, "has 0 vouchers", "redeem", vouchers.toString(), "--pool", identity);

    assertThat(done("exit", "--pool", identity).out()).contains("asked to leave; 35 less what");
    refused(Exit.REFUSED, "too early: wait until", "exit", "--pool", identity);
    done("cancel-exit", "--pool", identity);
    refused(Exit.REFUSED, "no exit is under way", "cancel-exit", "--pool", identity);
    done("exit", "--pool", identity);
    local.pass(4 * 24 * 3_600 + 1);
    assertThat(done("exit", "--pool", identity).out()).contains("35 went to");

    done("faucet", "10", "--key", "pool");
    assertThat(done("bond", "7", "--key", "pool").out()).contains("7 are bonded");
    assertThat(done("unbond", "3", "--key", "pool").out()).contains("3 are leaving");
    done("stay", "--key", "pool");
    done("unbond", "3", "--key", "pool");
    refused(Exit.REFUSED, "too early", "withdraw", "--key", "pool");
    local.pass(14 * 24 * 3_600 + 1);
    assertThat(done("withdraw", "--key", "pool").out()).contains("4 are bonded");

    Ran status = done("status", "--pool", identity, "--key", "provider");
    assertThat(status.out())
        .containsPattern("got from pool +15\\n")
        .contains("earned 25, paid 15, epoch 1");
  }

  private Settlement settlement(
      Key pool, JsonNode deployed, Key consumer, Address payee, long cumulative, long due) {
    String signature =
        consumer.sign(
            Digests.voucher(
                31_337,
                Address.parse(deployed.path("escrow").asText()),
                consumer.address(),
                pool.address(),
                cumulative));
    return new Settlement(
        1,
        List.of(SignedVoucher.byKey(consumer.address(), cumulative, signature)),
        0,
        List.of(),
        List.of(new Due(payee, due)),
        pool.address(),
        0,
        Hash.ZERO);
  }

  @Test
  void whatCannotBeUsedIsSaid() throws Exception {
    done("faucet", "0");
    refused(
        Exit.USAGE,
        "is no contract",
        "deploy",
        "--token",
        "0x00000000000000000000000000000000000000aa");
    Address poor = Address.parse("0x00000000000000000000000000000000000000bb");
    local.code(poor, new byte[] {0x60, 18, 0x5f, 0x52, 0x60, 32, 0x5f, (byte) 0xf3});
    refused(Exit.USAGE, "has 18 decimals", "deploy", "--token", poor.toString());
    done("deploy");
    refused(Exit.UNREACHABLE, "cannot be reached", "status", "--rpc", "http://127.0.0.1:9");
    refused(Exit.USAGE, "has no TLS", "status", "--rpc", "http://rpc.example.org");
    Path file = folder.resolve("home").resolve("chain").resolve("deployment.json");
    Files.writeString(file, Files.readString(file).replace("31337", "10"));
    refused(Exit.USAGE, "is of chain 31337, not of chain 10", "status");
    refused(
        Exit.REFUSED,
        "more than the",
        "faucet",
        "1",
        "--max-gwei",
        "0.0000001",
        "--deployment",
        restored(file).toString());
  }

  private Path restored(Path file) throws IOException {
    Path other = folder.resolve("other.json");
    Files.writeString(
        other, Files.readString(file).replace("\"chain_id\" : 10", "\"chain_id\" : 31337"));
    return other;
  }
}
