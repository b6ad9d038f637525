// Listings of this machine's kernel. Needs nft (nftables) on the path.
#include <atomic>
#include <cerrno>
#include <thread>

#include "test/kernel_nftables.h"

namespace netplane::nftables {
namespace {

TEST_F(KernelNftablesTest, AWholeRulesetSurvivesListingAndWriting) {
  Shell("nft -f " + FixturePath("ruleset.nft"));
  const std::string before = Shell("nft -s list ruleset");
  Listing listing = List(Request());
  EXPECT_EQ(listing.tables.size(), 3u);
  EXPECT_GT(listing.rules.size(), 35u);
  EXPECT_GT(listing.sets.size(), 15u);
  EXPECT_EQ(listing.objects.size(), 2u);

  std::vector<Operation> operations = Batch(Op(Verb::kFlush, Kind::kTable, {}, 0));
  const auto add = [&](Kind kind, const std::vector<Listed>& listed) {
    for (const Listed& item : listed) {
      EXPECT_TRUE(item.value.opaque.empty()) << item.value.schema->name << " " << DescribeAttributes(item.value.schema, Encode(item.value));
      operations.push_back(
          {Verb::kAdd, kind, item.family, Encode(Without(item.value, {"handle", "position", "use", "count", "typeName"})), nullptr, false});
    }
  };
  add(Kind::kTable, listing.tables);
  add(Kind::kObject, listing.objects);
  add(Kind::kSet, listing.sets);
  add(Kind::kChain, listing.chains);
  for (ListedElements& elements : listing.elements) {
    for (ColumnSet& chunk : elements.chunks) {
      operations.push_back(Elements(Verb::kAdd, elements.set.c_str(), std::move(chunk)));
      operations.back().family = elements.family;
      operations.back().attributes =
          Encode(Make(kElementListSchema, {{"table", Str(elements.table.c_str())}, {"set", Str(elements.set.c_str())}}));
    }
  }
  add(Kind::kRule, listing.rules);
  Apply(operations);
  EXPECT_EQ(Shell("nft -s list ruleset"), before);
}

TEST_F(KernelNftablesTest, ManyElementsComeBackInOneOrder) {
  MakeTable();
  Apply(Batch(Elements(Verb::kAdd, "s", Range(0, 30000))));
  Listing listing = List(Request());
  ASSERT_EQ(listing.elements.size(), 1u);
  std::vector<bool> seen(30000);
  for (const ColumnSet& chunk : listing.elements[0].chunks) {
    EXPECT_EQ(chunk.Check(), std::nullopt);
    for (size_t row = 0; row < chunk.rows(); ++row) {
      const uint32_t key = Load<uint32_t>(chunk.Fixed(kKey, row).data(), ByteOrder::kBig);
      ASSERT_LT(key, 30000u);
      EXPECT_FALSE(seen[key]);
      seen[key] = true;
    }
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 30000);
}

TEST_F(KernelNftablesTest, LooksUpWhatExistsAndPassesOverWhatDoesNot) {
  MakeTable();
  Apply(Batch(Elements(Verb::kAdd, "s", Range(0, 3000))));
  // Missing: the first, two in a row, the last; and more keys than one request holds.
  std::vector<uint32_t> keys = {9000, 1, 9001, 9002, 2};
  for (uint32_t key = 100; key < 2500; ++key) keys.push_back(key);
  keys.push_back(9003);
  const auto found = GetElements(*socket_, kIp, "t", "s", Keys(keys), In(10'000));
  ASSERT_TRUE(found.ok()) << found.error().message;
  ASSERT_EQ(found.value().chunks.size(), 1u);
  const ColumnSet& chunk = found.value().chunks[0];
  ASSERT_EQ(chunk.rows(), 2402u);
  EXPECT_EQ(ToHex(chunk.Fixed(kKey, 0)), "00000001");
  EXPECT_EQ(ToHex(chunk.Fixed(kKey, 1)), "00000002");
  EXPECT_EQ(ToHex(chunk.Fixed(kKey, 2401)), "000009c3");

  const auto none = GetElements(*socket_, kIp, "t", "s", Keys({9000}), In(10'000));
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none.value().chunks.empty());
  const auto missing = GetElements(*socket_, kIp, "t", "nothing", Keys({1}), In(10'000));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ENOENT);
}

TEST_F(KernelNftablesTest, ListsOnlyWhatIsAskedForAndSaysWhatIsMissing) {
  Shell("nft -f " + FixturePath("ruleset.nft"));
  ListRequest request = Request();
  request.table = "app";
  request.chain = "web";
  request.name = "vips";
  Listing listing = List(request);
  ASSERT_EQ(listing.tables.size(), 1u);
  EXPECT_EQ(listing.rules.size(), 2u);
  EXPECT_EQ(listing.sets.size(), 1u);
  EXPECT_EQ(listing.elements.size(), 1u);
  EXPECT_TRUE(listing.objects.empty());
  EXPECT_EQ(listing.tables[0].family, 1);

  request.family = kIp;
  EXPECT_EQ(ListError(request), ENOENT) << "the table is an inet one";
  request.family = 0;
  request.name = "nothing";
  EXPECT_EQ(ListError(request), ENOENT);
  request.name.clear();
  request.chain = "nothing";
  EXPECT_EQ(ListError(request), ENOENT);
  request.chain.clear();
  request.table = "nothing";
  EXPECT_EQ(ListError(request), ENOENT);

  ListRequest elements;
  elements.deadline = In(10'000);
  elements.elements = true;
  elements.table = "app";
  elements.name = "ranges";
  listing = List(elements);
  EXPECT_TRUE(listing.sets.empty());
  ASSERT_EQ(listing.elements.size(), 1u);
  EXPECT_EQ(listing.elements[0].chunks[0].rows(), 2u);
  EXPECT_TRUE(listing.elements[0].chunks[0].has(kKeyEnd));
}

TEST_F(KernelNftablesTest, CountersAreReturnedAndZeroed) {
  Shell("nft -f " + FixturePath("ruleset.nft"));
  Shell("nft add element inet app counted '{ 10.1.0.3 counter packets 11 bytes 12 }'");
  Shell("nft add set inet app ranged '{ type ipv4_addr; flags interval; counter; }'");
  Shell("nft add element inet app ranged '{ 10.0.0.0/8 counter packets 5 bytes 6, 192.168.0.0/16 counter packets 8 bytes 8 }'");
  ListRequest request = Request();
  request.family = 1;
  request.table = "app";
  request.reset = true;
  const auto counts = [&](bool reset) {
    request.reset = reset;
    const Listing listing = List(request);
    std::vector<uint64_t> packets;
    for (const Listed& object : listing.objects) {
      if (const Value* counter = FieldOf(object.value, "counter")) packets.push_back(NumberOf(*counter->As<Record>(), "packets"));
    }
    for (const Listed& rule : listing.rules) {
      if (TextOf(rule.value, "chain") != "web" || FieldOf(rule.value, "userdata") == nullptr) continue;
      packets.push_back(NumberOf(*(*FieldOf(rule.value, "expressions")->As<netplane::List>())[0].As<Record>(), "packets"));
    }
    for (const ListedElements& elements : listing.elements) {
      if (elements.set != "counted" && elements.set != "ranged") continue;
      uint64_t sum = 0;
      for (size_t row = 0; row < elements.chunks[0].rows(); ++row) sum += elements.chunks[0].At<uint64_t>(kCounterPackets, row);
      packets.push_back(sum);
    }
    return packets;
  };
  EXPECT_EQ(counts(false), (std::vector<uint64_t>{7, 3, 11, 13}));
  EXPECT_EQ(counts(true), (std::vector<uint64_t>{7, 3, 11, 13}));
  EXPECT_EQ(counts(true), (std::vector<uint64_t>{0, 0, 0, 0}));
}

TEST_F(KernelNftablesTest, AListingIsOfOneMoment) {
  MakeTable();
  Apply(Batch(Op(Verb::kAdd, Kind::kSet, {{"table", Str("t")}, {"name", Str("r")}, {"keyType", Num(7)}, {"keyLength", Num(4)}}),
              Elements(Verb::kAdd, "s", Range(0, 3000))));
  // Another committer moves all elements between two sets: every listing has to see them in exactly one.
  std::atomic<bool> stop{false};
  std::atomic<int> moves{0};
  std::thread mover([&] {
    const auto socket = OpenReal(NETLINK_NETFILTER);
    CommitOptions options;
    options.deadline = In(60'000);
    for (bool back = false; !stop; back = !back, ++moves) {
      Commit(*socket,
             Batch(Elements(Verb::kDelete, back ? "r" : "s", Range(0, 3000)), Elements(Verb::kAdd, back ? "s" : "r", Range(0, 3000))),
             options);
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
  });
  ListRequest request;
  request.elements = true;
  int consistent = 0;
  const Deadline end = In(1'500);
  while (Clock::now() < end) {
    request.deadline = In(10'000);
    const auto listing = ListRuleset(*socket_, request);
    if (!listing.ok()) {
      EXPECT_EQ(listing.error().code, EINTR);
      continue;
    }
    size_t rows = 0;
    for (const ListedElements& elements : listing.value().elements) {
      for (const ColumnSet& chunk : elements.chunks) rows += chunk.rows();
    }
    EXPECT_EQ(rows, 3000u);
    ++consistent;
  }
  stop = true;
  mover.join();
  EXPECT_GT(consistent, 0);
  EXPECT_GT(moves, 10);
}

TEST_F(KernelNftablesTest, SomebodysAbortedBatchDoesNotHideElements) {
  MakeTable();
  Apply(Batch(Elements(Verb::kAdd, "s", Range(0, 3000))));
  // The elements of a batch lie in the set, inactive, until the kernel aborts it, and that makes no generation.
  std::atomic<bool> stop{false};
  std::thread validator([&] {
    const auto socket = OpenReal(NETLINK_NETFILTER);
    CommitOptions options;
    options.deadline = In(60'000);
    options.dry_run = true;
    while (!stop) EXPECT_TRUE(Commit(*socket, Batch(Elements(Verb::kAdd, "s", Range(3000, 3000))), options).transaction.applied);
  });
  ListRequest request;
  request.elements = true;
  const Deadline end = In(1'000);
  while (Clock::now() < end) {
    request.deadline = In(10'000);
    const Listing listing = List(request);
    size_t rows = 0;
    for (const ListedElements& elements : listing.elements) {
      for (const ColumnSet& chunk : elements.chunks) rows += chunk.rows();
    }
    EXPECT_EQ(rows, 3000u);
  }
  stop = true;
  validator.join();
}

}  // namespace
}  // namespace netplane::nftables
