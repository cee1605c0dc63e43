// node ajv.js FILE: the first line is an array of schemas, each other one
// {"schema": index, "data": document}.  Fails if ajv finds a document invalid.
const fs = require('fs');
const dialects = { 4: require('ajv-draft-04'), 7: require('ajv'), 2019: require('ajv/dist/2019'), 2020: require('ajv/dist/2020') };
const formats = require('ajv-formats');
const lines = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n');
const validators = JSON.parse(lines[0]).map(schema => {
  const uri = String(schema.$schema || '');
  const year = /draft-04/.test(uri) ? 4 : /draft-0[67]/.test(uri) ? 7 : /2019-09/.test(uri) ? 2019 : 2020;
  const ajv = new dialects[year]({ strict: false, validateSchema: false, logger: false, multipleOfPrecision: 6 });
  formats(ajv);
  if (/draft-06/.test(uri)) delete schema.$schema;
  return ajv.compile(schema);
});
let wrong = 0;
for (const line of lines.slice(1)) {
  const { schema, data } = JSON.parse(line);
  if (validators[schema](data)) continue;
  if (++wrong < 20) console.error(`${line.slice(0, 400)}: ${JSON.stringify(validators[schema].errors[0]).slice(0, 300)}`);
}
console.log(`ajv: ${lines.length - 1} documents, ${wrong} invalid`);
process.exit(wrong ? 1 : 0);
