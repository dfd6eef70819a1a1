package dev.perseid.settle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.JobId;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Price;
import dev.perseid.core.TokenPrice;
import dev.perseid.core.Usage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class DigestsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Address POOL = Address.parse("0x00000000000000000000000000000000000000aa");

  @Test
  void theGenericEncoderAgreesWithTheStandard() throws Exception {
    String mail =
        """
        {"types":{
          "EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},
            {"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],
          "Person":[{"name":"name","type":"string"},{"name":"wallet","type":"address"}],
          "Mail":[{"name":"from","type":"Person"},{"name":"to","type":"Person"},
            {"name":"contents","type":"string"}]},
         "primaryType":"Mail",
         "domain":{"name":"Ether Mail","version":"1","chainId":1,
           "verifyingContract":"0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},
         "message":{
           "from":{"name":"Cow","wallet":"0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
           "to":{"name":"Bob","wallet":"0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
           "contents":"Hello, Bob!"}}\
        """;
    assertThat(GenericTypedData.digest(JSON.readTree(mail)).hex())
        .isEqualTo("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
  }

  @Test
  void recordsHashAsTheGenericEncoderSays() {
    long seed = 1_023;
    Random random = new Random(seed);
    for (int i = 0; i < 300; i++) {
      ExecutionRecord r = randomRecord(random);
      assertThat(Digests.record(r)).as("seed %d, record %d: %s", seed, i, r).isEqualTo(generic(r));
    }
  }

  @Test
  void manyRecordsHashAsOneByOne() {
    long seed = 1_024;
    Random random = new Random(seed);
    for (int n : new int[] {0, 1, 2, 7, 8, 9, 100}) {
      List<ExecutionRecord> records = new ArrayList<>();
      List<Hash> expected = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        records.add(randomRecord(random));
        expected.add(generic(records.get(i)));
      }
      assertThat(Digests.records(records)).as("seed %d", seed).isEqualTo(expected);
    }
  }

  @Test
  void offersHashAsTheGenericEncoderSays() {
    long seed = 1_025;
    Random random = new Random(seed);
    for (int i = 0; i < 100; i++) {
      Gpus gpus = random.nextBoolean() ? Gpus.NONE : gpus(random);
      Offer o =
          new Offer(
              address(random),
              "node-" + i,
              text(random),
              text(random),
              random.nextInt(1000),
              positive(random),
              gpus,
              new Price(
                  positive(random),
                  positive(random),
                  positive(random),
                  gpus.any() ? positive(random) : 0),
              new Capability(measure(random), measure(random), measure(random)),
              positive(random));
      ObjectNode m = JSON.createObjectNode();
      m.put("provider", o.provider().toString()).put("name", o.name()).put("machine", o.machine());
      m.put("region", o.region()).put("cores", o.cores()).put("memoryBytes", o.memoryBytes());
      m.put("perBillionGas", o.price().perBillionGas());
      m.put("perGbSecond", o.price().perGbSecond()).put("perGb", o.price().perGb());
      OptionalLong[] measures = {
        o.capability().cpuOpsPerS(), o.capability().memoryBytesPerS(), o.capability().gasPerS()
      };
      String[] names = {"cpuOpsPerS", "memoryBytesPerS", "gasPerS"};
      long present = 0;
      for (int k = 0; k < names.length; k++) {
        m.put(names[k], measures[k].orElse(0));
        present |= measures[k].isPresent() ? 1L << k : 0;
      }
      m.put("madeUs", o.madeUs()).put("present", present);
      assertThat(Digests.offer(o))
          .as("seed %d", seed)
          .isEqualTo(
              GenericTypedData.digest(
                  gpus.any()
                      ? document(Digests.GPU_OFFER, withGpus(o, m))
                      : document(Digests.OFFER, m)));
    }
  }

  private static Gpus gpus(Random random) {
    return new Gpus(random.nextInt(64) + 1, positive(random));
  }

  private static ObjectNode withGpus(Offer o, ObjectNode offer) {
    ObjectNode m = JSON.createObjectNode();
    m.set("offer", offer);
    m.put("gpus", o.gpus().count()).put("gpuMemoryBytes", o.gpus().memoryBytes());
    return m.put("perGpuSecond", o.price().perGpuSecond());
  }

  @Test
  void recordsOfTasksWithGpusHashAsTheGenericEncoderSays() {
    long seed = 1_028;
    Random random = new Random(seed);
    List<ExecutionRecord> records = new ArrayList<>();
    List<Hash> expected = new ArrayList<>();
    for (int k = 0; k < 100; k++) {
      ExecutionRecord plain = randomRecord(random);
      ExecutionRecord r = plain.with(gpus(random));
      ObjectNode m = JSON.createObjectNode();
      m.set("execution", execution(r));
      m.put("gpus", r.gpus().count()).put("gpuMemoryBytes", r.gpus().memoryBytes());
      records.add(r);
      expected.add(GenericTypedData.digest(document(Digests.GPU_RECORD, m)));
      records.add(plain);
      expected.add(generic(plain));
      assertThat(Digests.record(r)).isNotEqualTo(Digests.record(plain));
      assertThatThrownBy(() -> Digests.encodeData(r)).hasMessageContaining("GPUs");
    }
    assertThat(Digests.records(records)).as("seed %d", seed).isEqualTo(expected);
  }

  @Test
  void recordsOfRequestsHashAsTheGenericEncoderSays() {
    long seed = 1_026;
    Random random = new Random(seed);
    for (int k = 0; k < 200; k++) {
      ExecutionRecord plain = randomRecord(random);
      Inference i =
          new Inference(
              text(random),
              text(random),
              positive(random),
              positive(random),
              positive(random),
              positive(random),
              measure(random),
              address(random),
              positive(random),
              positive(random));
      ExecutionRecord r = plain.with(plain.charge(), i);
      ObjectNode m = JSON.createObjectNode();
      m.set("execution", execution(r));
      m.put("api", i.api()).put("quantisation", i.quantisation());
      m.put("promptTokens", i.promptTokens()).put("cachedTokens", i.cachedTokens());
      m.put("completionTokens", i.completionTokens()).put("rows", i.rows());
      m.put("firstTokenUs", i.firstTokenUs().orElse(0)).put("author", i.author().toString());
      m.put("toAuthor", i.toAuthor()).put("toPool", i.toPool());
      m.put("present", i.firstTokenUs().isPresent() ? 1 : 0);
      assertThat(Digests.record(r))
          .as("seed %d, record %d: %s", seed, k, r)
          .isEqualTo(GenericTypedData.digest(document(Digests.INFERENCE, m)))
          .isNotEqualTo(Digests.record(plain));
    }
  }

  @Test
  void modelsHashAsTheGenericEncoderSays() {
    long seed = 1_027;
    Random random = new Random(seed);
    String[] words = {"chat", "embed", "predict"};
    for (int k = 0; k < 60; k++) {
      Model model =
          new Model(
              address(random),
              text(random),
              "v" + k,
              hash(random),
              ModelTask.values()[k % 3],
              text(random),
              text(random),
              positive(random),
              random.nextInt(1 << 30),
              text(random),
              random.nextInt(501),
              positive(random));
      ObjectNode m = JSON.createObjectNode();
      m.put("author", model.author().toString()).put("name", model.name());
      m.put("version", model.version()).put("manifest", "0x" + model.manifest().hex());
      m.put("task", words[k % 3]).put("format", model.format());
      m.put("quantisation", model.quantisation()).put("parameters", model.parameters());
      m.put("contextTokens", model.contextTokens()).put("licence", model.licence());
      m.put("royaltyPermille", model.royaltyPermille()).put("madeUs", model.madeUs());
      assertThat(Digests.model(model))
          .as("seed %d", seed)
          .isEqualTo(GenericTypedData.digest(document(Digests.MODEL, m)));
    }
  }

  @Test
  void modelOffersHashAsTheGenericEncoderSays() {
    long seed = 1_028;
    Random random = new Random(seed);
    String[] words = {"keeps-nothing", "keeps", "collects"};
    for (int k = 0; k < 60; k++) {
      ModelOffer o = randomOffer(random, DataPolicy.values()[k % 3]);
      ObjectNode m = JSON.createObjectNode();
      m.put("provider", o.provider().toString()).put("model", "0x" + o.model().hex());
      m.put("region", o.region()).put("quantisation", o.quantisation());
      m.put("backend", o.backend());
      m.put("perMillionPrompt", o.price().perMillionPrompt());
      m.put("perMillionCached", o.price().perMillionCached());
      m.put("perMillionCompletion", o.price().perMillionCompletion());
      m.put("perMillionRows", o.price().perMillionRows());
      m.put("perMillionRequests", o.price().perMillionRequests());
      m.put("royaltyPermille", o.royaltyPermille()).put("poolPermille", o.poolPermille());
      m.put("parallel", o.parallel()).put("contextTokens", o.contextTokens());
      m.put("policy", words[k % 3]);
      m.put("sealKey", "0x" + o.sealKey().orElse(Hash.ZERO).hex());
      m.put("endpoint", o.endpoint()).put("madeUs", o.madeUs());
      m.put("present", o.sealKey().isPresent() ? 1 : 0);
      assertThat(Digests.modelOffer(o))
          .as("seed %d", seed)
          .isEqualTo(GenericTypedData.digest(document(Digests.MODEL_OFFER, m)));
    }
  }

  private static ModelOffer randomOffer(Random random, DataPolicy policy) {
    return new ModelOffer(
        address(random),
        hash(random),
        text(random),
        text(random),
        text(random),
        new TokenPrice(
            positive(random),
            positive(random),
            positive(random),
            positive(random),
            positive(random)),
        random.nextInt(501),
        random.nextInt(501),
        random.nextInt(65_536),
        random.nextInt(1 << 30),
        policy,
        random.nextBoolean() ? Optional.of(hash(random)) : Optional.empty(),
        text(random),
        positive(random));
  }

  /// A key of zeros is a key.
  @Test
  void noSealKeyIsNotAKeyOfZeros() {
    ModelOffer o = randomOffer(new Random(1), DataPolicy.KEEPS);
    List<Hash> digests = new ArrayList<>();
    for (Optional<Hash> key : List.of(Optional.<Hash>empty(), Optional.of(Hash.ZERO))) {
      digests.add(
          Digests.modelOffer(
              new ModelOffer(
                  o.provider(),
                  o.model(),
                  o.region(),
                  o.quantisation(),
                  o.backend(),
                  o.price(),
                  o.royaltyPermille(),
                  o.poolPermille(),
                  o.parallel(),
                  o.contextTokens(),
                  o.policy(),
                  key,
                  o.endpoint(),
                  o.madeUs())));
    }
    assertThat(digests).doesNotHaveDuplicates();
  }

  @Test
  void theSmallOnesHashAsTheGenericEncoderSays() {
    Hash root = Hash.sha256(new byte[] {1});
    Address who = Address.parse("0x00000000000000000000000000000000000000bb");
    ObjectNode batch = JSON.createObjectNode();
    batch.put("pool", POOL.toString()).put("root", "0x" + root.hex()).put("count", 1000);
    assertThat(Digests.batch(POOL, root, 1000))
        .isEqualTo(GenericTypedData.digest(document(Digests.BATCH, batch)));
    ObjectNode head = JSON.createObjectNode();
    head.put("pool", POOL.toString()).put("root", "0x" + root.hex());
    head.put("size", 5_000_000_000L).put("timeUs", 1_700_000_000_000_000L);
    assertThat(Digests.treeHead(POOL, root, 5_000_000_000L, 1_700_000_000_000_000L))
        .isEqualTo(GenericTypedData.digest(document(Digests.TREE_HEAD, head)));
    ObjectNode order = JSON.createObjectNode();
    order.put("pool", POOL.toString()).put("consumer", who.toString());
    order.put("nonce", 7).put("budget", 1_000_000).put("spec", "0x" + root.hex());
    assertThat(Digests.order(POOL, who, 7, 1_000_000, root))
        .isEqualTo(GenericTypedData.digest(document(Digests.ORDER, order)));
    ObjectNode login = JSON.createObjectNode();
    login.put("pool", POOL.toString()).put("caller", who.toString());
    login.put("role", "provider").put("nonce", "0x" + root.hex());
    assertThat(Digests.login(POOL, who, "provider", root))
        .isEqualTo(GenericTypedData.digest(document(Digests.LOGIN, login)));
    SignedRequest call =
        new SignedRequest(who, "consumer", 1_767_225_600_000L, root, Hash.EMPTY_BLOB, "");
    ObjectNode request = JSON.createObjectNode();
    request.put("pool", POOL.toString()).put("caller", who.toString()).put("role", "consumer");
    request.put("method", "GET").put("target", "/v1/models?x=ü").put("timeMs", call.timeMs());
    request.put("body", "0x" + call.body().hex()).put("nonce", "0x" + root.hex());
    assertThat(Digests.request(POOL, call, "GET", "/v1/models?x=ü"))
        .isEqualTo(GenericTypedData.digest(document(Digests.REQUEST, request)));
    ObjectNode certificate = JSON.createObjectNode();
    certificate.put("node", who.toString()).put("publicKey", "0x" + root.hex());
    assertThat(Digests.certificate(who, root))
        .isEqualTo(GenericTypedData.digest(document(Digests.CERTIFICATE, certificate)));
    ObjectNode operated = JSON.createObjectNode();
    operated.put("operator", who.toString()).put("provider", POOL.toString());
    assertThat(Digests.operated(who, POOL))
        .isEqualTo(GenericTypedData.digest(document(Digests.OPERATED, operated)));
  }

  @Test
  void absentIsNotZero() {
    ExecutionRecord absent = record(Usage.UNMEASURED, Outcome.DONE);
    Set<Hash> digests = new HashSet<>();
    digests.add(Digests.record(absent));
    for (int k = 0; k < 9; k++) {
      OptionalLong[] m = new OptionalLong[9];
      Arrays.fill(m, OptionalLong.empty());
      m[k] = OptionalLong.of(0);
      Usage u = new Usage(m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], "");
      digests.add(Digests.record(record(u, Outcome.DONE)));
    }
    assertThat(digests).hasSize(10);
  }

  /// A released digest never changes. If this fails, old receipts no longer verify.
  @Test
  void outcomesKeepTheirNumbers() {
    assertThat(Arrays.stream(Outcome.values()).map(Digests::number))
        .containsExactly(0, 1, 2, 3, 4, 5);
    assertThat(Digests.record(record(Usage.UNMEASURED, Outcome.DONE)).hex())
        .isEqualTo("1a558e907cf85a4a7f2c350370eab07496f094b8ea2ee9350554515e0cf7b485");
  }

  private static ExecutionRecord record(Usage usage, Outcome outcome) {
    return new ExecutionRecord(
        POOL,
        new JobId(1, 2),
        3,
        "align[3]",
        "align",
        1,
        9,
        Address.ZERO,
        POOL,
        Hash.ZERO,
        Hash.ZERO,
        Hash.ZERO,
        List.of(),
        List.of(),
        10,
        11,
        1,
        12,
        13,
        14,
        OptionalLong.empty(),
        OptionalLong.empty(),
        outcome,
        "",
        usage,
        List.of(),
        "endive 1.0.0",
        "bubblewrap",
        0);
  }

  static ExecutionRecord randomRecord(Random random) {
    List<Integer> dependsOn = new ArrayList<>();
    for (int n = random.nextInt(4); n > 0; n--) {
      dependsOn.add(random.nextInt(200_000));
    }
    return new ExecutionRecord(
        address(random),
        new JobId(random.nextLong(), random.nextLong()),
        random.nextInt(200_000),
        "task " + text(random),
        text(random),
        random.nextInt(10) + 1,
        positive(random),
        address(random),
        address(random),
        hash(random),
        hash(random),
        hash(random),
        blobs(random),
        dependsOn,
        positive(random),
        positive(random),
        random.nextInt(64) + 1,
        positive(random),
        positive(random),
        positive(random),
        measure(random),
        measure(random),
        Outcome.values()[random.nextInt(6)],
        random.nextBoolean() ? "" : text(random),
        new Usage(
            measure(random),
            measure(random),
            measure(random),
            measure(random),
            measure(random),
            measure(random),
            measure(random),
            measure(random),
            measure(random),
            random.nextBoolean() ? "" : "rapl"),
        blobs(random),
        "endive 1.0.0",
        "bubblewrap",
        positive(random));
  }

  private static Hash generic(ExecutionRecord r) {
    return GenericTypedData.digest(document(Digests.RECORD, execution(r)));
  }

  private static ObjectNode execution(ExecutionRecord r) {
    ObjectNode m = JSON.createObjectNode();
    m.put("pool", r.pool().toString()).put("job", "0x" + r.job()).put("task", r.task());
    m.put("taskName", r.taskName()).put("kind", r.kind()).put("attempt", r.attempt());
    m.put("lease", r.lease()).put("consumer", r.consumer().toString());
    m.put("provider", r.provider().toString()).put("offer", "0x" + r.offer().hex());
    m.put("module", "0x" + r.module().hex()).put("argsHash", "0x" + r.argsHash().hex());
    blobs(m, "inputs", "inputSizes", r.inputs());
    ArrayNode dependsOn = m.putArray("dependsOn");
    r.dependsOn().forEach(dependsOn::add);
    m.put("gasLimit", r.gasLimit()).put("memoryBytes", r.memoryBytes()).put("cores", r.cores());
    m.put("submittedUs", r.submittedUs()).put("readyUs", r.readyUs());
    m.put("assignedUs", r.assignedUs()).put("reason", r.reason());
    m.put("outcome", r.outcome().ordinal()).put("energyBy", r.usage().energyBy());
    blobs(m, "outputs", "outputSizes", r.outputs());
    m.put("engine", r.engine()).put("isolation", r.isolation()).put("charge", r.charge());
    Usage u = r.usage();
    OptionalLong[] measures = {
      r.startedUs(),
      r.endedUs(),
      u.gas(),
      u.cpuNs(),
      u.wallNs(),
      u.peakMemoryBytes(),
      u.bytesIn(),
      u.bytesOut(),
      u.fetchedBytes(),
      u.gpuNs(),
      u.energyUj()
    };
    String[] names = {
      "startedUs",
      "endedUs",
      "gas",
      "cpuNs",
      "wallNs",
      "peakMemoryBytes",
      "bytesIn",
      "bytesOut",
      "fetchedBytes",
      "gpuNs",
      "energyUj"
    };
    long present = 0;
    for (int k = 0; k < names.length; k++) {
      m.put(names[k], measures[k].orElse(0));
      present |= measures[k].isPresent() ? 1L << k : 0;
    }
    m.put("present", present);
    return m;
  }

  /// A typed-data document, its types read out of the encoded type.
  private static ObjectNode document(String encodedType, ObjectNode message) {
    ObjectNode root = JSON.createObjectNode();
    ObjectNode types = root.putObject("types");
    fields(types.putArray("EIP712Domain"), "string name,string version");
    // The primary type comes first, those of its members follow.
    for (String one : encodedType.split("(?<=\\))")) {
      fields(
          types.putArray(one.substring(0, one.indexOf('('))),
          one.substring(one.indexOf('(') + 1, one.length() - 1));
    }
    root.put("primaryType", encodedType.substring(0, encodedType.indexOf('(')));
    root.putObject("domain").put("name", "Perseid").put("version", "1");
    root.set("message", message);
    return root;
  }

  private static void fields(ArrayNode out, String members) {
    for (String member : members.split(",")) {
      String[] parts = member.split(" ");
      out.addObject().put("name", parts[1]).put("type", parts[0]);
    }
  }

  private static void blobs(ObjectNode m, String hashes, String sizes, List<Blob> blobs) {
    ArrayNode h = m.putArray(hashes);
    ArrayNode s = m.putArray(sizes);
    for (Blob b : blobs) {
      h.add("0x" + b.hash().hex());
      s.add(b.sizeBytes());
    }
  }

  private static List<Blob> blobs(Random random) {
    List<Blob> blobs = new ArrayList<>();
    for (int n = random.nextInt(4); n > 0; n--) {
      blobs.add(new Blob(hash(random), positive(random)));
    }
    return blobs;
  }

  private static String text(Random random) {
    return "te xt-é-" + random.nextInt(50);
  }

  private static long positive(Random random) {
    return random.nextLong() >>> (1 + random.nextInt(62));
  }

  private static OptionalLong measure(Random random) {
    return random.nextInt(3) == 0 ? OptionalLong.empty() : OptionalLong.of(positive(random));
  }

  private static Hash hash(Random random) {
    return new Hash(random.nextLong(), random.nextLong(), random.nextLong(), random.nextLong());
  }

  private static Address address(Random random) {
    return new Address(random.nextLong(), random.nextLong(), random.nextInt());
  }
}
