#!/usr/bin/env node
async function main() { const p = await import('prompts'); const s = await import('@aws-sdk/client-sts'); console.log(typeof p.default, typeof s.STSClient); }
void main();
