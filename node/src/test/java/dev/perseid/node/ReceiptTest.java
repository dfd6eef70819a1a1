package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.JobId;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelOrder;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Outcome;
import dev.perseid.core.Report;
import dev.perseid.core.Served;
import dev.perseid.core.SignedBatch;
import dev.perseid.core.TokenPrice;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import dev.perseid.journal.MerkleTree;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
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

  private static final Key POOL = Key.generate();
  private static final Key PROVIDER = Key.generate();

  /// A record of a request to a model, as the core makes it.
  private static ExecutionRecord request() {
    Model model =
        new Model(
            POOL.address(),
            "lab/model",
            "1",
            Hash.sha256(new byte[] {1}),
            ModelTask.CHAT,
            "gguf",
            "q8_0",
            0,
            4_096,
            "MIT",
            50,
            1);
    ModelOffer offer =
        new ModelOffer(
            PROVIDER.address(),
            model.manifest(),
            "",
            "q8_0",
            "llama 1",
            new TokenPrice(2_000_000, 500_000, 8_000_000, 0, 0),
            50,
            20,
            1,
            4_096,
            DataPolicy.KEEPS_NOTHING,
            Optional.empty(),
            "",
            2);
    ModelOrder order =
        new ModelOrder(
            7,
            "r7",
            Key.generate().address(),
            Digests.modelOffer(offer),
            "chat",
            Blob.EMPTY,
            10,
            11,
            1_000);
    Served served =
        new Served(
            Outcome.DONE,
            "",
            OptionalLong.of(20),
            OptionalLong.of(21),
            OptionalLong.of(22),
            100,
            40,
            30,
            0,
            Usage.UNMEASURED,
            new Blob(Hash.sha256(new byte[] {2}), 99));
    return ExecutionRecord.of(POOL.address(), order, served, offer, model);
  }

  private static Entry signed(ExecutionRecord r) {
    return new Entry(0, 30, r, new Entry.Attestation.Signed(0, 0));
  }

  /// A receipt whose provider signed one record and whose pool signed one entry: the same, or
  /// others.
  private static String receipt(Entry shown, ExecutionRecord inBatch, Entry inLog) {
    MerkleTree batch = new MerkleTree();
    Hash digest = Digests.record(inBatch);
    batch.append(Merkle.leafHash(digest.bytes()));
    SignedBatch signedBatch =
        new SignedBatch(
            0,
            PROVIDER.address(),
            List.of(digest),
            PROVIDER.sign(Digests.batch(POOL.address(), batch.root(), 1)));
    MerkleTree log = new MerkleTree();
    log.append(Merkle.leafHash(EntryCodec.encode(inLog)));
    Receipt.TreeHead head =
        new Receipt.TreeHead(
            1, log.root(), 40, POOL.sign(Digests.treeHead(POOL.address(), log.root(), 1, 40)));
    return Receipt.write(
        shown, EntryCodec.encode(shown), Optional.of(signedBatch), batch, head, log.path(0, 1));
  }

  @Test
  void EveryChangeToARequestIsNoticed() throws Exception {
    ExecutionRecord r = request();
    String good = receipt(signed(r), r, signed(r));
    assertThat(Receipt.verify(good, Optional.of(POOL.address())))
        .isInstanceOf(Receipt.Check.Verified.class);
    JsonNode original = Receipt.mapper().readTree(good);
    int inInference = 0;
    for (List<String> path : leaves(original, List.of())) {
      for (boolean remove : new boolean[] {false, true}) {
        JsonNode doc = original.deepCopy();
        change(doc, path, remove);
        assertThat(Receipt.verify(doc.toString(), Optional.of(POOL.address())))
            .as("%s %s", remove ? "without" : "changed", path)
            .isInstanceOf(Receipt.Check.Wrong.class);
        inInference += path.contains("inference") ? 1 : 0;
      }
    }
    assertThat(inInference).as("changes to what the inference adds").isEqualTo(2 * 10);
  }

  /// Signed bytes and readable fields agree, and only the provider, or only the pool, signed
  /// others.
  @Test
  void NeitherPartyAloneCanChangeARequest() {
    ExecutionRecord r = request();
    Inference i = r.inference().orElseThrow();
    Address other = Key.generate().address();
    OptionalLong first = i.firstTokenUs();
    List<Inference> changed =
        List.of(
            new Inference("infer", "q8_0", 100, 40, 30, 0, first, i.author(), 21, 8),
            new Inference("chat", "f16", 100, 40, 30, 0, first, i.author(), 21, 8),
            new Inference("chat", "q8_0", 101, 40, 30, 0, first, i.author(), 21, 8),
            new Inference("chat", "q8_0", 100, 41, 30, 0, first, i.author(), 21, 8),
            new Inference("chat", "q8_0", 100, 40, 31, 0, first, i.author(), 21, 8),
            new Inference("chat", "q8_0", 100, 40, 30, 1, first, i.author(), 21, 8),
            new Inference("chat", "q8_0", 100, 40, 30, 0, OptionalLong.empty(), i.author(), 21, 8),
            new Inference("chat", "q8_0", 100, 40, 30, 0, first, other, 21, 8),
            new Inference("chat", "q8_0", 100, 40, 30, 0, first, i.author(), 99, 8),
            new Inference("chat", "q8_0", 100, 40, 30, 0, first, i.author(), 21, 99));
    for (Inference wrong : changed) {
      ExecutionRecord bad = r.with(r.charge(), wrong);
      assertThat(bad).isNotEqualTo(r);
      assertThat(Receipt.verify(receipt(signed(bad), r, signed(bad)), Optional.empty()))
          .as("the provider signed another than %s", wrong)
          .isInstanceOf(Receipt.Check.Wrong.class);
      assertThat(Receipt.verify(receipt(signed(bad), bad, signed(r)), Optional.empty()))
          .as("the pool signed another than %s", wrong)
          .isInstanceOf(Receipt.Check.Wrong.class);
    }
  }

  private static ExecutionRecord ended(Outcome outcome, String reason, int completionTokens) {
    ExecutionRecord r = request();
    Inference i = r.inference().orElseThrow();
    Optional<Inference> counted =
        completionTokens < 0
            ? Optional.empty()
            : Optional.of(
                new Inference(
                    i.api(),
                    i.quantisation(),
                    i.promptTokens(),
                    i.cachedTokens(),
                    completionTokens,
                    i.rows(),
                    i.firstTokenUs(),
                    i.author(),
                    i.toAuthor(),
                    i.toPool()));
    return new ExecutionRecord(
        r.pool(),
        r.job(),
        r.task(),
        r.taskName(),
        r.kind(),
        r.attempt(),
        r.lease(),
        r.consumer(),
        r.provider(),
        r.offer(),
        r.module(),
        r.argsHash(),
        r.inputs(),
        r.dependsOn(),
        r.gasLimit(),
        r.memoryBytes(),
        r.cores(),
        r.gpus(),
        r.submittedUs(),
        r.readyUs(),
        r.assignedUs(),
        r.startedUs(),
        r.endedUs(),
        outcome,
        reason,
        r.usage(),
        r.outputs(),
        r.engine(),
        r.isolation(),
        r.charge(),
        counted);
  }

  /// A pool can make such records alone, or with a provider of its own: they prove no debt.
  @Test
  void WhatCostsNothingProvesNoCharge() {
    ExecutionRecord r = request();
    assertThat(r.charge()).isPositive();
    Entry alone = new Entry(0, 30, r, new Entry.Attestation.PoolOnly());
    assertThat(Receipt.verify(receipt(alone, r, alone), Optional.empty()))
        .isInstanceOfSatisfying(
            Receipt.Check.Wrong.class,
            w -> assertThat(w.reason()).contains("its provider signed nothing for it"));
    for (ExecutionRecord free :
        List.of(
            ended(Outcome.PROVIDER_FAILED, "", 5),
            ended(Outcome.TASK_FAILED, "", 5),
            ended(Outcome.CANCELLED, "", 0),
            ended(Outcome.LOST, "", -1),
            ended(Outcome.REFUSED, "", -1),
            ended(Outcome.CANCELLED, "the machine stops", -1))) {
      assertThat(Receipt.verify(receipt(signed(free), free, signed(free)), Optional.empty()))
          .isInstanceOfSatisfying(
              Receipt.Check.Wrong.class,
              w -> assertThat(w.reason()).contains("" + free.outcome()).contains("costs nothing"));
    }
    for (ExecutionRecord charged :
        List.of(
            ended(Outcome.CANCELLED, "", 5),
            ended(Outcome.TASK_FAILED, "", -1),
            ended(Outcome.CANCELLED, Report.STOPPED, -1))) {
      assertThat(
              Receipt.verify(receipt(signed(charged), charged, signed(charged)), Optional.empty()))
          .isInstanceOf(Receipt.Check.Verified.class);
    }
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
    long seed = 1_022;
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
