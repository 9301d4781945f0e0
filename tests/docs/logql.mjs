// Run with Node: exit code 1 if the standard input is not a LogQL query, by the grammar of Grafana's own editor.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { parser } = createRequire(`${process.argv[2]}/`)("@grafana/lezer-logql");
const query = readFileSync(0, "utf8");
const errors = [];
parser.parse(query).iterate({ enter: (node) => { if (node.type.isError) errors.push(query.slice(node.from)); } });
if (!query.trim() || errors.length) {
  console.error(`not LogQL at: ${errors[0]}`);
  process.exit(1);
}
