package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.chain.Anvil;
import dev.perseid.core.Address;
import dev.perseid.node.PoolConfig;
import dev.perseid.node.PoolNode;
import dev.perseid.node.ProviderConfig;
import dev.perseid.node.ProviderNode;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A pool's money from the command line: credits, then an escrow on a real chain of this machine.
class MoneyCommandsTest {
  @TempDir Path folder;
  private PoolNode pool;

  private Ran perseid(String... args) {
    List<String> all = new ArrayList<>(List.of(args));
    all.add("--pool=127.0.0.1:" + pool.port() + "@" + pool.address());
    return Ran.of(environment(), all.toArray(String[]::new));
  }

  private Map<String, String> environment() {
    return Map.of("PERSEID_HOME", folder.resolve("home").toString());
  }

  private Ran good(String... args) {
    Ran ran = perseid(args);
    assertThat(ran.exit()).as("%s: %s%s", List.of(args), ran.out(), ran.err()).isZero();
    // Without it nothing is redeemed and nobody is paid: whatever fails later fails because of it.
    assertThat(ran.err()).as("%s", List.of(args)).doesNotContain("the last voucher");
    return ran;
  }

  private Path job() throws IOException {
    Files.copy(Path.of("../examples/modules/burn.wasm"), folder.resolve("burn.wasm"));
    return Files.writeString(
        folder.resolve("job.yaml"),
        """
        name: burning
        verification: none
        budget_microcredits: 1000000
        tasks:
          - {name: each, count: 4, module: burn.wasm, args: "1000 10"}
        """);
  }

  @Test
  void aPoolMovesToAChainAndItsStatementsAgree() throws Exception {
    Home home = Home.of(environment());
    Key poolKey = home.key("pool");
    Address consumer = home.key("consumer").address();
    Anvil anvil =
        switch (Anvil.find(
            Anvil.cache(), Optional.ofNullable(System.getenv("PATH")).orElse(""), note -> {})) {
          case Anvil.Found.Ready(Anvil found) -> found;
          case Anvil.Found.Missing(String why) -> throw new AssertionError(why);
        };
    try (DemoChain chain = DemoChain.start(anvil, folder)) {
      chain.register(poolKey);
      PoolConfig config =
          PoolConfig.usual(folder.resolve("pool"), poolKey).withMoney(chain.terms());
      try (PoolNode node = PoolNode.start(config);
          ProviderNode provider =
              ProviderNode.start(
                  ProviderConfig.of(
                          home.key("provider"),
                          ProviderConfig.PoolAt.of("127.0.0.1", node.port(), poolKey.address()),
                          folder.resolve("provider"))
                      .unmeasured()
                      .isolationPreferred(),
                  line -> {})) {
        pool = node;
        String job = job().toString();
        good("account", "grant", consumer.toString(), "5");
        assertThat(good("pool", "money").out()).contains("credits");
        assertThat(good("voucher").out()).contains("asks for no vouchers");
        assertThat(perseid("voucher", "--up-to", "1").exit()).isEqualTo(Exit.USAGE);
        assertThat(perseid("pool", "settle").out()).contains("nothing to settle");
        long first = good("run", job, "--json").json().get("charged_microcredits").asLong();
        assertThat(first).isPositive();

        // Moving: what it would cost, then without the money for it, then with it.
        Ran dry = good("pool", "move");
        assertThat(dry.err()).contains("2 purses lack 5 credits").contains("gas");
        assertThat(dry.out()).contains("write --yes");
        assertThat(perseid("pool", "move", "--yes").exit()).isEqualTo(Exit.REFUSED);
        chain.give(poolKey.address(), 5_000_000);
        assertThat(good("pool", "move", "--yes").out()).contains("moved");
        assertThat(good("pool", "money", "--json").json().get("ledger").asText())
            .isEqualTo("escrow");
        assertThat(good("account", "--json").json().get("balance_microcredits").asLong())
            .isEqualTo(5_000_000 - first);

        // Work there, vouchers, a settlement.
        long second = good("run", job, "--json").json().get("charged_microcredits").asLong();
        JsonNode purse = good("voucher", "--json").json();
        assertThat(purse.get("spent_microcredits").asLong()).isEqualTo(second);
        assertThat(good("voucher", "--up-to", "1.5").out()).contains("1.5 credits");
        Ran tooMuch = perseid("voucher", "--up-to", "100");
        assertThat(tooMuch.exit()).isEqualTo(Exit.REFUSED);
        assertThat(tooMuch.err()).contains("100 credits");
        JsonNode settled = good("pool", "settle", "--json").json();
        assertThat(settled.get("redeemed_microcredits").asLong()).isEqualTo(second);
        assertThat(settled.get("gas").asLong()).isPositive();
        assertThat(chain.has(provider.address())).isEqualTo(second);
        assertThat(good("pool", "settle").out()).contains("nothing to settle");
        assertThat(good("pool", "money").out()).contains("last settled epoch").contains("0x");

        // Somebody who follows a job pays by the budget that was written down here, not by what the
        // pool says it is.
        String detached = good("run", job, "--detach", "--json").json().get("job").asText();
        Path jobs = folder.resolve("home/pools/" + poolKey.address() + ".jobs");
        assertThat(Files.readString(jobs)).contains(detached + " 1000000\n");
        Ran known = good("watch", detached);
        assertThat(known.err()).doesNotContain("the pool's word");
        String elsewhere = good("run", job, "--detach", "--json").json().get("job").asText();
        Files.delete(jobs);
        Ran unknown = good("watch", elsewhere);
        assertThat(unknown.err()).contains("only the pool's word").contains("--window");
        long more = good("voucher", "--json").json().get("spent_microcredits").asLong() - second;
        assertThat(more).isPositive();
        assertThat(good("pool", "settle", "--json").json().get("redeemed_microcredits").asLong())
            .isEqualTo(more);
        second += more;

        // Everybody's statement adds up, and agrees with the chain.
        String deployment = folder.resolve("deployment.json").toString();
        Ran own =
            good(
                "account", "--statement", "--check-chain", chain.rpc(), "--deployment", deployment);
        assertThat(own.err())
            .contains("the sums agree with the pool's books")
            .contains("redeemed: " + Amounts.credits(second) + ", as the chain says");
        assertThat(own.out()).contains("reservation").contains("charge").contains("voucher");
        Ran others =
            good(
                "account",
                "--statement",
                "--of",
                provider.address().toString(),
                "--check-chain",
                chain.rpc(),
                "--deployment",
                deployment);
        assertThat(others.err())
            .contains("paid out: " + Amounts.credits(second) + ", as the chain says");
        Path csv = folder.resolve("statement.csv");
        JsonNode sums = good("account", "--statement", "--json", "--csv", csv.toString()).json();
        List<String> lines = Files.readAllLines(csv);
        assertThat(lines.getFirst()).startsWith("number,time,at_us,kind,from,to,");
        assertThat(lines).hasSize(sums.get("movements").asInt() + 1);
        assertThat(sums.get("out").get("charge").asLong()).isEqualTo(first + second);
        assertThat(sums.get("wrong")).isEmpty();
        long charges = 0;
        for (String line : lines) {
          String[] cells = line.split(",", -1);
          if (cells[3].equals("charge")) {
            charges += Long.parseLong(cells[6]);
            assertThat(cells[13]).matches("[0-9]+");
            assertThat(cells[19]).matches("receipts-[0-9a-f]{8}\\.jsonl");
          }
        }
        assertThat(charges).isEqualTo(first + second);
        assertThat(good("account", "--statement", "--to", "2020-01-01").out()).contains("sums");
        assertThat(perseid("account", "--statement", "--from", "yesterday").exit())
            .isEqualTo(Exit.USAGE);
        assertThat(perseid("account", "--csv", "x").exit()).isEqualTo(Exit.USAGE);

        // A pool that names another chain gets no signature.
        Path agreed = folder.resolve("home/pools/" + poolKey.address() + ".json");
        Files.writeString(agreed, Files.readString(agreed).replace("31337", "1"));
        Ran refused = perseid("voucher", "--up-to", "2");
        assertThat(refused.exit()).isEqualTo(Exit.REFUSED);
        assertThat(refused.err()).contains("--accept");
        assertThat(good("voucher", "--accept", "--more", "1").err()).contains("accepted");
      }
    }
  }
}
