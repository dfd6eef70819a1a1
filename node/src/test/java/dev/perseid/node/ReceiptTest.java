package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Blob;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.settle.Key;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Receipts of a real pool, changed in every field.
class ReceiptTest {
  @TempDir static Path dir;
  private static PoolNode node;
  private static List<String> receipts;

  @BeforeAll
  static void makeReceipts() throws Exception {
    node = PoolNode.start(PoolConfig.usual(dir, Key.generate()).withWelcome(10_000_000));
    try (PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer");
        PuppetProvider liar = new PuppetProvider(node.port(), Key.generate());
        PuppetProvider provider = new PuppetProvider(node.port(), Key.generate())) {
      liar.joined();
      Blob module = consumer.put(PoolNodeTest.MODULE);
      JobId job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, 4));
      // One record that the pool alone vouches for.
      liar.work(
          lease -> liar.report(lease, Outcome.DONE, List.of()),
          m -> m instanceof dev.perseid.core.ToProvider.Leases);
      liar.hearAmong(dev.perseid.core.ToProvider.Durable.class);
      liar.leave();
      provider.joined().working();
      consumer.finished(job);
      receipts = PoolNodeTest.receipts(consumer, job);
    }
  }

  @AfterAll
  static void stop() throws Exception {
    node.close();
  }

  @Test
  void BothKindsOfRecordsAreProved() {
    List<String> attested = new ArrayList<>();
    for (String receipt : receipts) {
      assertThat(Receipt.verify(receipt, Optional.of(node.address())))
          .isInstanceOfSatisfying(
              Receipt.Check.Verified.class,
              v -> {
                assertThat(v.pool()).isEqualTo(node.address());
                attested.add(v.attestation());
              });
    }
    assertThat(attested)
        .anyMatch(a -> a.startsWith("signed by the provider"))
        .anyMatch(a -> a.startsWith("stated by the pool alone"));
  }

  @Test
  void AnotherPoolIsNotExpected() {
    assertThat(Receipt.verify(receipts.getFirst(), Optional.of(Key.generate().address())))
        .isInstanceOf(Receipt.Check.Wrong.class);
  }

  @Test
  void EveryChangeIsNoticed() throws Exception {
    int changes = 0;
    for (String receipt : List.of(receipts.getFirst(), receipts.getLast())) {
      JsonNode original = Receipt.mapper().readTree(receipt);
      for (List<String> path : leaves(original, List.of())) {
        for (boolean remove : new boolean[] {false, true}) {
          JsonNode doc = original.deepCopy();
          if (path.getFirst().equals("log") && path.getLast().equals("path")) {
            continue;
          }
          change(doc, path, remove);
          assertThat(Receipt.verify(doc.toString(), Optional.of(node.address())))
              .as("%s %s", remove ? "without" : "changed", path)
              .isInstanceOf(Receipt.Check.Wrong.class);
          changes++;
        }
      }
    }
    assertThat(changes).isGreaterThan(100);
  }

  private static List<List<String>> leaves(JsonNode node, List<String> path) {
    List<List<String>> all = new ArrayList<>();
    if (node.isObject()) {
      for (Map.Entry<String, JsonNode> e : node.properties()) {
        all.addAll(leaves(e.getValue(), with(path, e.getKey())));
      }
    } else if (node.isArray()) {
      for (int i = 0; i < node.size(); i++) {
        all.addAll(leaves(node.get(i), with(path, Integer.toString(i))));
      }
    } else {
      all.add(path);
    }
    return all;
  }

  private static List<String> with(List<String> path, String name) {
    List<String> longer = new ArrayList<>(path);
    longer.add(name);
    return longer;
  }

  private static void change(JsonNode doc, List<String> path, boolean remove) {
    JsonNode parent = doc;
    for (String name : path.subList(0, path.size() - 1)) {
      parent = parent.isArray() ? parent.get(Integer.parseInt(name)) : parent.get(name);
    }
    String name = path.getLast();
    if (parent instanceof ArrayNode array) {
      int i = Integer.parseInt(name);
      if (remove) {
        array.remove(i);
      } else {
        array.set(i, changed(array.get(i)));
      }
    } else {
      ObjectNode object = (ObjectNode) parent;
      if (remove) {
        object.remove(name);
      } else {
        object.set(name, changed(object.get(name)));
      }
    }
  }

  private static JsonNode changed(JsonNode value) {
    var f = Receipt.mapper().getNodeFactory();
    if (value.isIntegralNumber()) {
      return f.numberNode(value.longValue() + 1);
    }
    String text = value.textValue();
    char[] chars = text.isEmpty() ? new char[] {'0'} : text.toCharArray();
    int middle = chars.length / 2;
    chars[middle] = chars[middle] == '1' ? '2' : '1';
    return f.textNode(new String(chars));
  }

  @Test
  void GarbageIsWrong() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (String junk :
        List.of("", "{}", "[]", "null", "1", "{\"perseid_receipt\":1}", "[".repeat(5_000))) {
      assertThat(Receipt.verify(junk, Optional.empty())).isInstanceOf(Receipt.Check.Wrong.class);
    }
    String good = receipts.getFirst();
    for (int i = 0; i < 300; i++) {
      StringBuilder b = new StringBuilder(good);
      int at = random.nextInt(b.length());
      switch (random.nextInt(3)) {
        case 0 -> b.setLength(at);
        case 1 -> b.setCharAt(at, (char) random.nextInt(0x80));
        default -> b.insert(at, (char) random.nextInt(0x80));
      }
      String broken = b.toString();
      Receipt.Check check = Receipt.verify(broken, Optional.empty());
      if (check instanceof Receipt.Check.Verified v) {
        // Only what JSON ignores (space) or repeats may have changed.
        assertThat(v)
            .as("seed %d, change %d", seed, i)
            .isEqualTo(Receipt.verify(good, Optional.empty()));
      }
    }
  }
}
